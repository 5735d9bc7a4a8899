package logs_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/logs"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for range 2 { // it is appended to
		s, text := open(t, logs.Options{Target: path}, logs.Settings{})
		s.Logger().Info("line")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := text(); got != "" {
			t.Errorf("standard error: %q", got)
		}
	}
	if got := read(t, path); strings.Count(got, "msg=line\n") != 2 {
		t.Errorf("got %q", got)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestRotation(t *testing.T) {
	tests := []struct {
		name   string
		rotate func(path string) error
		reopen bool
		first  int // lines left in the moved file
	}{
		{"moved, told", func(p string) error { return os.Rename(p, p+".1") }, true, 1},
		{"moved, not told", func(p string) error { return os.Rename(p, p+".1") }, false, 1},
		{"moved and made anew", func(p string) error {
			if err := os.Rename(p, p+".1"); err != nil {
				return err
			}
			return os.WriteFile(p, nil, 0o600)
		}, false, 1},
		{"removed", os.Remove, false, 0},
		{"cut", func(p string) error { return os.Truncate(p, 0) }, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			s, _ := open(t, logs.Options{Target: path}, logs.Settings{})
			s.Logger().Info("first")
			if err := tt.rotate(path); err != nil {
				t.Fatal(err)
			}
			if tt.reopen {
				if err := s.Reopen(); err != nil {
					t.Fatal(err)
				}
			}
			s.Logger().Info("second")
			if got := read(t, path); strings.Contains(got, "first") || strings.Count(got, "msg=second\n") != 1 ||
				strings.HasPrefix(got, "\x00") {
				t.Errorf("new file %q", got)
			}
			if tt.first > 0 && !strings.HasSuffix(read(t, path+".1"), "msg=first\n") {
				t.Errorf("old file %q", read(t, path+".1"))
			}
			if got := s.Dropped(); got != 0 {
				t.Errorf("%d lines dropped", got)
			}
		})
	}
}

// When the file cannot be opened anew, lines go on into the old one.
func TestFolderMoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "log")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	s, text := open(t, logs.Options{Target: path}, logs.Settings{})
	if err := os.Rename(filepath.Dir(path), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err == nil {
		t.Error("Reopen found a file")
	}
	s.Logger().Info("first")
	s.Logger().Info("second")
	if got := read(t, filepath.Join(dir, "b", "log")); strings.Count(got, "\n") != 2 {
		t.Errorf("old file %q", got)
	}
	if got := text(); strings.Count(got, "writing on into the file that had that name before") != 1 {
		t.Errorf("standard error: %q", got)
	}
}

func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, text := open(t, logs.Options{Target: "/dev/full"}, logs.Settings{})
	for range 5 {
		s.Logger().Info("lost")
	}
	if got := s.Dropped(); got != 5 {
		t.Errorf("%d dropped, want 5", got)
	}
	if got := text(); strings.Count(got, "\n") != 1 ||
		!strings.HasSuffix(got, "shunt: log file /dev/full: no space left on device: lines are being lost\n") {
		t.Errorf("standard error: %q", got)
	}
	if err := s.Use(path); err != nil {
		t.Fatal(err)
	}
	s.Logger().Info("kept")
	if got := text(); !strings.HasSuffix(got, "works again, 5 lines were lost\n") {
		t.Errorf("standard error: %q", got)
	}
	if got := read(t, path); strings.Count(got, "\n") != 1 {
		t.Errorf("file: %q", got)
	}
}

// A line cut short by a full target does not swallow the start of the next.
func TestTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := logs.Open(logs.Options{Target: path}); err == nil {
		t.Fatal("a pipe without a reader was opened")
	}
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	s, text := open(t, logs.Options{Target: path}, logs.Settings{Write: 20 * time.Millisecond})
	for s.Dropped() == 0 { // until the pipe is full
		s.Logger().Info("long", "x", strings.Repeat("x", 3000))
	}
	all := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		all <- string(b)
	}()
	for n := uint64(1); ; n++ { // until the reader has made room
		s.Logger().Info("short")
		if s.Dropped() == n {
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	got := <-all
	if last := strings.Split(got, "\n"); !strings.HasPrefix(last[len(last)-2], "time=") {
		t.Errorf("the line after the torn one is %.80q", last[len(last)-2])
	}
	if !strings.Contains(text(), "lines are being lost") {
		t.Errorf("standard error: %q", text())
	}
}
