package logs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/logs"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const generous = time.Minute

// open opens a log whose standard error is a file, of which text returns the
// content.
func open(t *testing.T, o logs.Options, w logs.Settings) (s *logs.Sink, text func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stderr")
	if w.Stderr == nil {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		w.Stderr = f
	}
	s, err := logs.OpenWith(o, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, func() string { return read(t, path) }
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFormats(t *testing.T) {
	t.Run("text", func(t *testing.T) {
		s, text := open(t, logs.Options{}, logs.Settings{})
		s.Logger().With("service", "a").WithGroup("g").Info("real server up", "real", "b c")
		if got := text(); !strings.HasPrefix(got, "time=") ||
			!strings.HasSuffix(got, " level=INFO msg=\"real server up\" service=a g.real=\"b c\"\n") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("json", func(t *testing.T) {
		s, text := open(t, logs.Options{Format: "json"}, logs.Settings{})
		for i := range 3 {
			s.Logger().With("n", i).Warn("line\nbreak")
		}
		lines := strings.Split(strings.TrimSuffix(text(), "\n"), "\n")
		for i, line := range lines {
			var r struct {
				Time       time.Time
				Level, Msg string
				N          int
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			if r.Time.IsZero() || r.Level != "WARN" || r.Msg != "line\nbreak" || r.N != i {
				t.Errorf("got %+v", r)
			}
		}
		if len(lines) != 3 {
			t.Errorf("%d lines", len(lines))
		}
	})
	t.Run("level", func(t *testing.T) {
		s, text := open(t, logs.Options{Level: slog.LevelWarn}, logs.Settings{})
		log := s.Logger().With("a", 1)
		log.Info("one")
		s.SetLevel(slog.LevelDebug)
		log.Debug("two")
		if got := text(); strings.Contains(got, "one") || !strings.Contains(got, "two") {
			t.Errorf("got %q", got)
		}
	})
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		o    logs.Options
		want string
	}{
		{"format", logs.Options{Format: "xml"}, `log format "xml": want text or json`},
		{
			"facility",
			logs.Options{Target: "info"},
			`log target "info": want a path that starts with / or a syslog facility: kern user mail daemon auth syslog ` +
				"lpr news uucp cron authpriv ftp local0 local1 local2 local3 local4 local5 local6 local7",
		},
		{"relative", logs.Options{Target: "log/x"}, `log target "log/x"`},
		{"no folder", logs.Options{Target: dir + "/gone/x"}, "no such file"},
		{"folder", logs.Options{Target: dir}, "is a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := logs.Open(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v, want %s", err, tt.want)
			}
			if tt.name == "format" {
				return
			}
			if err := logs.Usable(tt.o.Target); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Usable: %v, want %s", err, tt.want)
			}
			s, text := open(t, logs.Options{}, logs.Settings{})
			if err := s.Use(tt.o.Target); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Use: %v, want %s", err, tt.want)
			}
			s.Logger().Info("still here")
			if !strings.Contains(text(), "still here") {
				t.Error("the old target was left")
			}
		})
	}
}

// TestUsable: Usable leaves no trace.
func TestUsable(t *testing.T) {
	dir := t.TempDir()
	for _, target := range []string{"", "daemon", "LOCAL7", filepath.Join(dir, "new"), "/dev/full"} {
		if err := logs.Usable(target); err != nil {
			t.Errorf("%q: %v", target, err)
		}
	}
	if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
}

func TestClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, text := open(t, logs.Options{Target: path}, logs.Settings{})
	s.Logger().Info("before")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	s.Logger().Info("after")
	if got := read(t, path); !strings.Contains(got, "before") || strings.Contains(got, "after") {
		t.Errorf("file: %q", got)
	}
	if got := text(); !strings.Contains(got, "after") {
		t.Errorf("standard error: %q", got)
	}
	if err := s.Use(path); !errors.Is(err, logs.ErrClosed) {
		t.Errorf("Use: %v", err)
	}
	if err := s.Reopen(); !errors.Is(err, logs.ErrClosed) {
		t.Errorf("Reopen: %v", err)
	}
}

// Many log while the target changes, files are moved away and opened anew:
// every line is somewhere, once.
func TestNothingIsLost(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	s, _ := open(t, logs.Options{Target: a}, logs.Settings{})
	const writers, lines = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			log := s.Logger().With("writer", w)
			for i := range lines {
				log.Info("line", "n", i)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	for i := 0; ; i++ {
		change(t, s, []string{a, b}[i%2], i)
		select {
		case <-done:
			countLines(t, dir, writers*lines)
			return
		default:
		}
	}
}

func change(t *testing.T, s *logs.Sink, path string, i int) {
	t.Helper()
	if err := s.Use(path); err != nil {
		t.Error(err)
	}
	if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
		t.Error(err)
	}
	if err := s.Reopen(); err != nil {
		t.Error(err)
	}
}

func countLines(t *testing.T, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, e := range entries {
		for line := range strings.Lines(read(t, filepath.Join(dir, e.Name()))) {
			_, what, _ := strings.Cut(line, "msg=")
			seen[what]++
		}
	}
	if len(seen) != want {
		t.Errorf("%d different lines, want %d", len(seen), want)
	}
	for line, n := range seen {
		if n != 1 {
			t.Errorf("%d times %q", n, line)
		}
	}
}

// pipe returns a pipe whose reading end the test owns.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(p[0]), "reader"), os.NewFile(uintptr(p[1]), "writer")
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
	})
	return r, w
}

// Nobody reads standard error: logging goes on, lines are counted as dropped,
// and they flow again when somebody reads.
func TestHangingConsole(t *testing.T) {
	r, w := pipe(t)
	s, _ := open(t, logs.Options{}, logs.Settings{Stderr: w, Write: time.Millisecond})
	for end := time.Now().Add(generous); s.Dropped() == 0 && time.Now().Before(end); {
		s.Logger().Info("line", "filler", strings.Repeat("x", 10_000))
	}
	if s.Dropped() == 0 {
		t.Fatal("nothing was dropped")
	}
	read := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		read <- string(b)
	}()
	for i, before := 0, s.Dropped(); s.Dropped() != before || i == 0; i++ {
		before = s.Dropped()
		s.Logger().Info("last words")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	if got := <-read; !strings.Contains(got, "last words") {
		t.Errorf("%d bytes came, without the last line", len(got))
	}
}

// While the target hangs nobody waits for it: what the queue holds is written
// later, and the rest is counted.
func TestHangingTarget(t *testing.T) {
	r, w := pipe(t)
	s, _ := open(t, logs.Options{}, logs.Settings{Stderr: w, Patient: time.Millisecond, Write: time.Hour})
	const lines = 2000
	for range lines {
		s.Logger().Info("line", "filler", strings.Repeat("x", 1000))
	}
	dropped := s.Dropped()
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
	read := make(chan int)
	go func() {
		b, _ := io.ReadAll(r)
		read <- strings.Count(string(b), "msg=line ")
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	if got := <-read; got+int(dropped) != lines {
		t.Errorf("%d written and %d dropped of %d", got, dropped, lines)
	}
}

// Close does not wait for ever.
func TestCloseOfHangingTarget(t *testing.T) {
	_, w := pipe(t)
	s, _ := open(t, logs.Options{}, logs.Settings{Stderr: w, Patient: time.Millisecond, Write: 100 * time.Millisecond})
	for range 1000 {
		s.Logger().Info("line", "filler", strings.Repeat("x", 1000))
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "hangs") {
		t.Errorf("Close: %v", err)
	}
}

func TestConsoleWithoutReader(t *testing.T) {
	r, w := pipe(t)
	s, _ := open(t, logs.Options{}, logs.Settings{Stderr: w})
	_ = r.Close()
	s.Logger().Info("line")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := s.Dropped(); got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
}
