package hooks

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

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// stopTime is how long a stop waits.
const stopTime = 4 * time.Second

// The words of one service arrive in order, whatever else hangs.
func TestHooks(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := New(slog.New(slog.DiscardHandler))
	h.Run("other", "/bin/sleep", "60")
	for _, word := range []string{"start", "stop", "start"} {
		h.Run("this", "/bin/sh", "-c", "echo "+word+" >>"+out)
	}
	wait.For(t, "three lines are written", func() (int, bool) { n := lines(out); return n, n >= 3 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.Close(ctx) // ends the one that hangs
	text, _ := os.ReadFile(out)
	if want := "start\nstop\nstart\n"; string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

func lines(path string) int {
	text, _ := os.ReadFile(path)
	return strings.Count(string(text), "\n")
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
		h := New(slog.New(slog.NewTextHandler(&log, nil)))
		for range 3 {
			h.Append(path, "line\n")
		}
		h.Close(context.Background())
		if n := strings.Count(log.String(), "monitorfile cannot be written"); n != 1 {
			t.Errorf("%s: %d lines in the log, want 1:\n%s", path, n, &log)
		}
	}
}

func TestMonitorFileWritableAgain(t *testing.T) {
	var log bytes.Buffer
	h := New(slog.New(slog.NewTextHandler(&log, nil)))
	path := filepath.Join(t.TempDir(), "later", "file")
	h.Append(path, "lost\n")
	h.Wait()
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	h.Append(path, "one\n")
	h.Append(path, "two\n")
	h.Close(context.Background())
	if n := strings.Count(log.String(), "monitorfile can be written again"); n != 1 || lines(path) != 2 {
		t.Errorf("%d lines in the log, %d in the file:\n%s", n, lines(path), &log)
	}
}

// A stop does not wait beyond its time for a command that hangs for good, and a
// full queue is reported once.
func TestHooksThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := New(slog.New(slog.NewTextHandler(&log, nil)))
		release := make(chan struct{})
		for range maxQueue + 10 {
			h.Enqueue("file", func(context.Context) { <-release })
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), stopTime)
		defer cancel()
		h.Close(ctx)
		if took := time.Since(start); took != stopTime+killGrace {
			t.Errorf("waited %v", took)
		}
		if !strings.Contains(log.String(), "are given up") {
			t.Errorf("what is given up is not told:\n%s", &log)
		}
		if n := strings.Count(log.String(), "too much is waiting"); n != 1 {
			t.Errorf("%d complaints, want 1", n)
		}
		close(release)
		h.Wait()
	})
}

// The beginning of a command's output is kept, however much it writes, and a
// process that it leaves in the background does not make it fail.
func TestCommandOutput(t *testing.T) {
	var log bytes.Buffer
	h := New(slog.New(slog.NewTextHandler(&log, nil)))
	h.Run("loud", "/bin/sh", "-c", "echo first; head -c 10000000 /dev/zero | tr '\\0' x; exit 1")
	h.Close(t.Context())
	if text := log.String(); !strings.Contains(text, `output="first\nxxx`) || len(text) > 2*outputKept {
		t.Errorf("%d bytes logged: %.200s", len(text), text)
	}
	log.Reset()
	h = New(slog.New(slog.NewTextHandler(&log, nil)))
	h.Run("daemon", "/bin/sh", "-c", "sleep 3 &")
	h.Close(t.Context())
	if !strings.Contains(log.String(), `msg="command run"`) {
		t.Error(log.String())
	}
}

// A command has the variables that it is run with beside those of this process.
func TestEnvironmentOfACommand(t *testing.T) {
	t.Setenv("SHUNT_INHERITED", "yes")
	out := filepath.Join(t.TempDir(), "out")
	h := New(slog.New(slog.DiscardHandler))
	h.RunWith("this", []string{"SHUNT_EVENT=quorumup"}, "/bin/sh", "-c", "echo $SHUNT_EVENT $SHUNT_INHERITED >"+out)
	h.Close(context.Background())
	if text, _ := os.ReadFile(out); string(text) != "quorumup yes\n" {
		t.Errorf("the command saw %q", text)
	}
}
