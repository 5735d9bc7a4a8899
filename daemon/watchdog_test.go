package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// TestWatchdogComplainsOnce: the reason for which the watchdog is not fed is logged
// once, when it changes or ends, and once a minute, however short the period is.
func TestWatchdogComplainsOnce(t *testing.T) {
	for _, period := range []time.Duration{100 * time.Millisecond, time.Second, 15 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			var doubt func() error
			told := 0
			w := &watchdog{
				well: func(context.Context) error { return doubt() }, tell: func(string) { told++ },
				log: slog.New(slog.NewTextHandler(&log, nil)),
			}
			began := time.Now()
			stuck := func(worker int) func() error {
				return func() error {
					return (&dataplane.Load{Worker: worker, LoopAge: 3*time.Second + time.Since(began)}).Stuck()
				}
			}
			pass := func(d time.Duration, f func() error, lines, feeds int) {
				t.Helper()
				log.Reset()
				told, doubt = 0, f
				ctx, cancel := context.WithTimeout(t.Context(), d+period/2)
				defer cancel()
				w.run(ctx, period)
				if got := strings.Count(log.String(), "\n"); got != lines || told != feeds {
					t.Errorf("every %v: %d lines and %d feeds, want %d and %d:\n%s", period, got, told, lines, feeds, &log)
				}
			}
			well := func() error { return nil }
			pass(time.Minute, well, 0, int(time.Minute/period))
			pass(5*time.Minute, stuck(0), 5, 0)
			pass(30*time.Second, stuck(1), 1, 0)
			pass(30*time.Second, func() error { return errors.New("the director does not answer") }, 1, 0)
			pass(time.Minute, well, 1, int(time.Minute/period))
			pass(30*time.Second, stuck(1), 1, 0)
		})
	}
}

// TestWaitingIsToldOnce: one line tells what shunt waits for, and no other does.
func TestWaitingIsToldOnce(t *testing.T) {
	log := filepath.Join(t.TempDir(), "stderr")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stderr
	os.Stderr = f
	t.Cleanup(func() { os.Stderr = was; f.Close() })
	b := &fixture{t: t, dir: t.TempDir(), vip: process.FreeAddr(t).String()}
	b.file = filepath.Join(b.dir, "test.cf")
	b.write(fmt.Sprintf("logfile = %s/no/log\nvirtual = %s\n\tfallback = sorry\n\tsorrypage = %[1]s/no/page.html\n", b.dir, b.vip))
	b.Daemon = New(Options{Config: b.file, Dataplane: onProxy, LogFormat: "text"})
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/no/log", "/no/page.html"} {
		if n := strings.Count(string(text), name+":"); n != 3 { // a start and two reloads
			t.Errorf("%s is named in %d lines, want 3:\n%s", name, n, text)
		}
	}
}
