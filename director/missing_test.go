//go:build !oracle

package director

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// A check that this build does not have is refused when the file is read, in a line
// that says how to get it.
func TestMissingCheck(t *testing.T) {
	v := config.Virtual{Service: "oracle"}
	v.CheckType = config.CheckNegotiate
	none := func(*config.Virtual, dataplane.VirtualService) []*dataplane.Limit { return nil }
	ps := Validate(&config.Config{Virtuals: []config.Virtual{v}}, none, func(*config.Virtual) bool { return false })
	if len(ps) != 1 || ps[0].Severity != config.Error || !strings.Contains(ps[0].Text, "checks of service oracle are not in this build") ||
		!strings.Contains(ps[0].Hint, "make TAGS='urfave_cli_no_docs oracle'") || strings.Contains(ps[0].Hint, "\n") {
		t.Errorf("%+v", ps)
	}
}
