package text_test

import (
	"bytes"
	"testing"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

func TestHistoryGolden(t *testing.T) {
	var b bytes.Buffer
	fresh := director.ServerHistory{Service: "tcp 10.0.0.100:80", Server: "10.0.0.3:80", State: director.Down, Since: fixture.Before(0), Cause: "not checked yet"}
	err := text.RenderHistory(&b, []director.ServerHistory{fixture.History("tcp 10.0.0.100:80", "10.0.0.2:80"), fresh}, text.Options{Now: fixture.Now})
	if err != nil {
		t.Fatal(err)
	}
	fixture.Golden(t, *update, "history.txt", b.String())
}
