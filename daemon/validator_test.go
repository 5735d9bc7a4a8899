package daemon

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/ipvs"
)

// withoutIPVS makes this a host whose kernel has no IPVS.
func withoutIPVS(t *testing.T) {
	t.Helper()
	was := newIPVS
	t.Cleanup(func() { newIPVS = was })
	newIPVS = func(ipvs.Options) (*ipvs.Dataplane, error) { return nil, ipvs.ErrNoIPVS }
}

// Settings that a host without IPVS lacks are waited for, and no reason to refuse
// the file: on another host they are right. A file that is wrong on every host is
// refused.
func TestServicesThatNeedIPVS(t *testing.T) {
	withoutIPVS(t)
	for _, tt := range []struct {
		name, text     string
		refused, waits string // a word each
	}{
		{"a firewall mark", "virtual=7\n\treal=127.0.0.1:9 gate\n\tchecktype=on\n", "", "fwm 7 needs IPVS"},
		{"a firewall mark of IPv6", "virtual6=7\n\treal6=[::1]:9 gate\n\tchecktype=on\n", "", "needs IPVS"},
		{"all ports", "virtual=127.0.0.1:0\n\tpersistent=60\n\tcheckport=80\n\treal=127.0.0.1 gate\n\tchecktype=on\n", "", "127.0.0.1:0 needs IPVS"},
		{"the directive", "virtual=127.0.0.1:%PORT%\n\tdataplane=ipvs\n\treal=127.0.0.1:9 masq\n\tchecktype=on\n", "", "needs IPVS"},
		{"its own server", "virtual=127.0.0.1:%PORT%\n\treal=127.0.0.1:%PORT% gate\n\tchecktype=on\n", "", "needs IPVS"},
		{
			"servers of each other",
			"virtual=127.0.0.1:%PORT%\n\treal=127.0.0.2:%PORT% masq\n\tchecktype=on\nvirtual=127.0.0.2:%PORT%\n\treal=127.0.0.1:%PORT% masq\n\tchecktype=on\n",
			"", "needs IPVS",
		},
		{"what the proxy can do", "virtual=127.0.0.1:%PORT%\n\treal=127.0.0.1:9 masq\n\tchecktype=on\n", "", ""},
		{"a firewall mark for the proxy", "virtual=7\n\tdataplane=proxy\n\treal=127.0.0.1:9 gate\n", "firewall marks", ""},
		{"its own server, for the proxy", "virtual=127.0.0.1:%PORT%\n\tdataplane=proxy\n\treal=127.0.0.1:%PORT% masq\n", "circle", ""},
		{"a scheduler that is none", "virtual=7\n\tscheduler=best\n\treal=127.0.0.1:9 gate\n", "scheduler", ""},
		{"what neither can", "virtual=7\n\tproxyprotocol=v2\n\treal=127.0.0.1:9 masq\n", "firewall marks", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.cf")
			text := strings.ReplaceAll(tt.text, "%PORT%", quiet(t))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			conf, checked := Check(t.Context(), config.NewSource(path, []byte(text)), config.Options{}, "auto")
			if tt.refused != "" {
				if checked == nil || !strings.Contains(checked.Error(), tt.refused) {
					t.Errorf("check says %v, want something about %s", checked, tt.refused)
				}
			} else if checked != nil || len(conf.Waiting) > 0 != (tt.waits != "") || !strings.Contains(conf.Waiting.Error(), tt.waits) {
				t.Fatalf("check says %v, and waits for %v, want %q", checked, conf, tt.waits)
			}
			d := New(Options{Config: path, Dataplane: "auto", LogLevel: slog.LevelError + 1})
			run := d.Start(t.Context())
			if verdict(run) != verdict(checked) {
				t.Errorf("check says %v and run %v", checked, run)
			}
			if run != nil {
				return
			}
			defer func() {
				if err := d.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			if err := d.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			s, err := d.Status(t.Context())
			if err != nil || strings.Join(s.Config.Waiting, "\n") != conf.Waiting.Error() {
				t.Errorf("run waits for %q, check for %q (%v)", s.Config.Waiting, conf.Waiting.Error(), err)
			}
			if s.Ready != (tt.waits == "") {
				t.Errorf("ready is %v: %s", s.Ready, s.Unready)
			}
		})
	}
}

// Beside a service that waits for IPVS the others are served.
func TestServedBesideOneThatNeedsIPVS(t *testing.T) {
	withoutIPVS(t)
	b := setOn(t, "auto", "virtual=7\n\treal=127.0.0.1:9 gate\n\tchecktype=on\nvirtual = %VIP%\n\treal = %REAL% masq\n\tchecktype = connect\n")
	_ = b.connect().Close()
	s, err := b.Status(t.Context())
	if err != nil || len(s.Config.Waiting) != 1 || s.Ready {
		t.Errorf("waiting for %q, ready %v, %v", s.Config.Waiting, s.Ready, err)
	}
}
