package director

import (
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

func TestFallbackArgs(t *testing.T) {
	v := config.Virtual{ID: dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5}}
	v.FallbackCommand = "/bin/x"
	if got := fallbackArgs(&v, "start")[2]; got != "/bin/x start 5:0 fwm" {
		t.Errorf("got %q", got)
	}
	v = virtual(vip)
	v.FallbackCommand = "/bin/x"
	if got := fallbackArgs(&v, "stop")[2]; got != "/bin/x stop "+vip+" tcp" {
		t.Errorf("got %q", got)
	}
}
