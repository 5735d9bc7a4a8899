package director

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/hooks"
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

// TestFallbackCommandRuns: the shell runs the command of the file with the words of
// the service behind it, one after the other.
func TestFallbackCommandRuns(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	v := virtual(vip)
	v.FallbackCommand = "echo >>" + out
	h := hooks.New(quiet())
	for _, word := range []string{"start", "stop", "start"} {
		h.Run("this", fallbackArgs(&v, word)...)
	}
	h.Close(t.Context())
	text, _ := os.ReadFile(out)
	if want := "start " + vip + " tcp\nstop " + vip + " tcp\nstart " + vip + " tcp\n"; string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
}
