package daemon

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A name or file that is missing when shunt starts keeps no other service from
// being served, is shown, and is used as soon as it is there.
func TestStartWithoutWhatTheFileNames(t *testing.T) {
	other := process.FreeAddr(t).String()
	b := set(t, `logfile = "%DIR%/later/log"
virtual = %VIP%
	real = %REAL% masq
	real = name.invalid:80 masq
	fallback = sorry
	sorrypage = %DIR%/later/page.html
	checktype = connect
virtual = vip.invalid:80
	real = %REAL% masq
virtual = `+other+`
	real = %REAL% masq
	checktype = connect
	deny = @%DIR%/later/list
`)
	_ = b.connect().Close()
	status := func() []string {
		t.Helper()
		s, err := b.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Config.Waiting
	}
	first := strings.Join(status(), "\n")
	for _, want := range []string{"/later/log:", "`name.invalid`", "`vip.invalid`", "/later/page.html:", "/later/list:"} {
		if !strings.Contains(first, want) {
			t.Errorf("no word of %s in\n%s", want, first)
		}
	}
	if c, err := net.Dial("tcp", other); err == nil {
		_ = c.Close()
		t.Error("a service is served whose list of clients nobody knows")
	}
	dir := filepath.Join(b.dir, "later")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"page.html": "back soon", "list": "192.0.2.1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	until(t, func() string { return strings.Join(status(), "\n") }, func(now string) bool { return !strings.Contains(now, "/later/") })
	b.vip = other
	_ = b.connect().Close()
	if _, err := os.Stat(filepath.Join(dir, "log")); err != nil {
		t.Error(err)
	}
}

// until waits for a state that is good.
func until(t *testing.T, state func() string, good func(string) bool) {
	t.Helper()
	wait.For(t, "another state", func() (string, bool) { now := state(); return now, good(now) })
}

// A check says of a log file that cannot be written what a start says of it.
func TestCheckWaitsForTheLogFile(t *testing.T) {
	dir := t.TempDir()
	for path, waits := range map[string]bool{dir + "/log": false, dir + "/no/log": true, dir: true, "/dev/null": false} {
		for _, supervised := range []bool{false, true} {
			text := fmt.Appendf(nil, "logfile = %q\n", path)
			if supervised {
				text = append(text, "supervised = yes\n"...)
			}
			conf, err := Check(t.Context(), config.NewSource("test.cf", text), config.Options{}, onProxy)
			if err != nil || len(conf.Waiting) == 1 != (waits && !supervised) {
				t.Errorf("%s: waiting for %v, error %v", text, conf.Waiting, err)
			}
		}
	}
}
