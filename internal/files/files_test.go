package files_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/files"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestRegularOnly: Open opens or refuses each kind of file at once.
func TestRegularOnly(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(path("file"), []byte("text"), 0o600), os.Symlink("file", path("link")), os.Symlink("loop", path("loop")),
		os.Symlink("/dev/zero", path("device")), os.Mkdir(path("folder"), 0o700), unix.Mkfifo(path("pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]error{
		"file": nil, "link": nil, "loop": unix.ELOOP, "device": files.ErrNotRegular, "folder": files.ErrNotRegular, "pipe": files.ErrNotRegular, "none": fs.ErrNotExist,
	} {
		text, err := files.Read(path(name), 3)
		if !errors.Is(err, want) || want == nil && string(text) != "tex" {
			t.Errorf("read %s: %q, %v, want %v", name, text, err, want)
		}
		if err := files.Readable(t.Context(), path(name)); !errors.Is(err, want) {
			t.Errorf("open %s: %v, want %v", name, err, want)
		}
		f, err := files.OpenIn(root, name)
		if f != nil {
			_ = f.Close()
		}
		if !errors.Is(err, want) && name != "device" { // which is outside
			t.Errorf("open %s in its folder: %v, want %v", name, err, want)
		}
		if _, err := files.ReadDir(path(name)); (err == nil) != (name == "folder") {
			t.Errorf("read %s as a folder: %v", name, err)
		}
	}
}

// TestFileReplacedByAPipe: Open does not hang if a pipe replaces the file at any moment.
func TestFileReplacedByAPipe(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o600), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, pipe, unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 3000 {
		text, err := files.Read(file, 10)
		if err == nil && string(text) != "text" || err != nil && !errors.Is(err, files.ErrNotRegular) {
			t.Errorf("%q, %v", text, err)
		}
		if err := files.Append(file, "", 0o600); err != nil && !errors.Is(err, unix.ENXIO) {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
}

// TestAppendToPipe: without a reader, or with a reader that does not read, Append
// returns within Patience.
func TestAppendToPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := files.Append(pipe, "line\n", 0o600); !errors.Is(err, unix.ENXIO) {
		t.Errorf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := files.Append(pipe, "line\n", 0o600); err != nil {
		t.Error(err)
	}
	if err := files.Append(pipe, strings.Repeat("line\n", 1<<20), 0o600); err == nil {
		t.Error("a pipe takes what nobody reads")
	}
}

// TestHangs: on a file system that does not answer, attempts under way take their
// full time, and later ones none, until it answers.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		var asked atomic.Int32
		try := func(path string) (time.Duration, error) {
			began := time.Now()
			_, err := files.Try(t.Context(), path, func() (int, error) {
				asked.Add(1)
				<-answer
				return 1, nil
			})
			return time.Since(began), err
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if took, err := try("/mnt/a"); took != files.Patience || !errors.Is(err, files.ErrHangs) {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		for range 100 {
			took, err := try("/mnt/a")
			if want := "/mnt/a: the file system has not answered for 1m5s"; took != 0 || err == nil || err.Error() != want {
				t.Errorf("%v after %v, want %s", err, took, want)
			}
		}
		if asked.Load() != 3 {
			t.Errorf("%d attempts hang", asked.Load())
		}
		if n, err := files.Try(t.Context(), "/mnt/b", func() (int, error) { return 2, nil }); n != 2 || err != nil {
			t.Errorf("another path: %d, %v", n, err)
		}
		close(answer)
		synctest.Wait()
		if n, err := files.Try(t.Context(), "/mnt/a", func() (int, error) { return 3, nil }); n != 3 || err != nil {
			t.Errorf("after it has answered: %d, %v", n, err)
		}
	})
}

// TestHangsWithContext: an attempt ends with its context, too.
func TestHangsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		defer close(answer)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := files.Try(ctx, "/mnt/c", func() (int, error) { <-answer; return 1, nil })
		if took := time.Since(began); took != time.Second || !errors.Is(err, files.ErrHangs) {
			t.Errorf("%v after %v", err, took)
		}
	})
}
