package director

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// The words of one service arrive in order, whatever else hangs.
func TestHooks(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	v := virtual(vip)
	v.FallbackCommand = "echo >>" + out
	h := newHooks(quiet())
	h.run("other", command{argv: []string{"/bin/sleep", "60"}})
	for _, word := range []string{"start", "stop", "start"} {
		h.run("this", fallbackCommand(&v, word))
	}
	for end := time.Now().Add(time.Minute); lines(out) < 3 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.close(ctx) // ends the one that hangs
	text, _ := os.ReadFile(out)
	if want := "start " + vip + " tcp\nstop " + vip + " tcp\nstart " + vip + " tcp\n"; string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

func lines(path string) int {
	text, _ := os.ReadFile(path)
	return strings.Count(string(text), "\n")
}

func TestFallbackCommandOfAMark(t *testing.T) {
	v := config.Virtual{ID: dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5}}
	v.FallbackCommand = "/bin/x"
	if got := fallbackCommand(&v, "start").argv[2]; got != "/bin/x start 5:0 fwm" {
		t.Errorf("got %q", got)
	}
}

// A file that cannot be written is one log line, however many results it
// misses, and not the end of the daemon.
func TestMonitorFileUnwritable(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/nowhere/at/all", "/dev/full", pipe} {
		var log bytes.Buffer
		h := newHooks(slog.New(slog.NewTextHandler(&log, nil)))
		for range 3 {
			h.append(path, "line\n")
		}
		h.close(context.Background())
		if n := strings.Count(log.String(), "monitorfile cannot be written"); n != 1 {
			t.Errorf("%s: %d lines in the log, want 1:\n%s", path, n, &log)
		}
	}
}

func TestMonitorFileWritableAgain(t *testing.T) {
	var log bytes.Buffer
	h := newHooks(slog.New(slog.NewTextHandler(&log, nil)))
	path := filepath.Join(t.TempDir(), "later", "file")
	h.append(path, "lost\n")
	h.wg.Wait()
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	h.append(path, "one\n")
	h.append(path, "two\n")
	h.close(context.Background())
	if n := strings.Count(log.String(), "monitorfile can be written again"); n != 1 || lines(path) != 2 {
		t.Errorf("%d lines in the log, %d in the file:\n%s", n, lines(path), &log)
	}
}

// What hangs for good is not waited for when the time is over, and what does
// not fit into its queue is complained about once.
func TestHooksThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := newHooks(slog.New(slog.NewTextHandler(&log, nil)))
		release := make(chan struct{})
		for range hookQueue + 10 {
			h.enqueue("file", func(context.Context) { <-release })
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), lastHooks)
		defer cancel()
		h.close(ctx)
		if took := time.Since(start); took != lastHooks+hookGrace {
			t.Errorf("waited %v", took)
		}
		if !strings.Contains(log.String(), "are given up") {
			t.Errorf("what is given up is not told:\n%s", &log)
		}
		if n := strings.Count(log.String(), "too much is waiting"); n != 1 {
			t.Errorf("%d complaints, want 1", n)
		}
		close(release)
		h.wg.Wait()
	})
}

func TestMaintenanceNames(t *testing.T) {
	real4 := realName{addr: realServer("192.168.80.110:80").Addr, name: "web1.example.test"}
	real6 := realName{addr: realServer("[fd00::1]:80").Addr, name: "fd00::1"}
	for file, want := range map[string]string{
		"192.168.80.110:80":    "4",
		"192.168.80.110":       "4",
		"192.168.80.110:81":    "",
		"web1.example.test":    "4",
		"web1.example.test:80": "4",
		"[fd00::1]:80":         "6",
		"[fd00::1]":            "6",
		"README":               "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		m := newMaintainer()
		m.names[real4.addr.Addr()] = hostName{until: time.Now().Add(time.Hour)}
		m.names[real6.addr.Addr()] = hostName{until: time.Now().Add(time.Hour)}
		got, _, err := m.look(dir, []realName{real4, real6})
		if err != nil {
			t.Fatal(err)
		}
		matched := ""
		if got[real4.addr.String()] != "" {
			matched += "4"
		}
		if got[real6.addr.String()] != "" {
			matched += "6"
		}
		if matched != want {
			t.Errorf("file %s keeps out %q, want %q", file, matched, want)
		}
	}
}

func TestMaintenanceByHostName(t *testing.T) {
	r := realName{addr: realServer("192.168.80.110:80").Addr, name: "192.168.80.110"}
	for _, file := range []string{"Web1.example.test", "Web1", "Web1:80"} {
		m := newMaintainer()
		m.names[r.addr.Addr()] = hostName{name: "Web1.example.test", until: time.Now().Add(time.Hour)}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		got, _, err := m.look(dir, []realName{r})
		if err != nil || got[r.addr.String()] != file {
			t.Errorf("file %s: %v, %v", file, got, err)
		}
	}
}

// Of a command's output the beginning is kept, however much it writes, and what
// it leaves in the background makes no failure of it.
func TestCommandOutput(t *testing.T) {
	var log bytes.Buffer
	h := newHooks(slog.New(slog.NewTextHandler(&log, nil)))
	h.run("loud", command{argv: []string{"/bin/sh", "-c", "echo first; head -c 10000000 /dev/zero | tr '\\0' x; exit 1"}})
	h.close(t.Context())
	if text := log.String(); !strings.Contains(text, `output="first\nxxx`) || len(text) > 2*outputKept {
		t.Errorf("%d bytes logged: %.200s", len(text), text)
	}
	log.Reset()
	h = newHooks(slog.New(slog.NewTextHandler(&log, nil)))
	h.run("daemon", command{argv: []string{"/bin/sh", "-c", "sleep 3 &"}})
	h.close(t.Context())
	if !strings.Contains(log.String(), `msg="command run"`) {
		t.Error(log.String())
	}
}
