package admin_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
)

func TestHistoryOverHTTP(t *testing.T) {
	w := get(newServer(t, tells(troubled())), "/api/v1/history?real=10.0.0.2:80&service=tcp+10.0.0.100:80")
	var got []director.ServerHistory
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	if len(got) != 1 || got[0].Server != "10.0.0.2:80" || got[0].Service != "tcp 10.0.0.100:80" || len(got[0].Checks) != 10 {
		t.Errorf("%+v", got)
	}
	if w := get(newServer(t, stuck()), "/api/v1/history"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a director that does not answer: status %d", w.Code)
	}
}

func TestClientHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := newServer(t, tells(troubled())).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	got, err := admin.Dial(path).For("/x.cf").History(t.Context(), "shop", "10.0.0.2")
	if err != nil || len(got) != 1 || got[0].Service != "shop" || got[0].Server != "10.0.0.2" {
		t.Errorf("%+v, %v", got, err)
	}
}
