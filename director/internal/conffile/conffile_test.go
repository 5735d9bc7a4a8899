package conffile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A file that is not a regular one is refused at once; opening a pipe nobody writes
// into would hold up every reload.
func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, os.DevNull} {
		_, err := (&File{Path: path}).Load()
		if want := "read " + path + ": not a regular file"; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

// A file that becomes something else is complained about once, and read when
// it is one again.
func TestFileTurnsIntoAFolder(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "cf")}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(f.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := func(wantChanged bool, wantErr string) {
		t.Helper()
		changed, err := f.Changed()
		if changed != wantChanged || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("got %v, %v, want %v, %q", changed, err, wantChanged, wantErr)
		}
	}
	write("one")
	if _, err := f.Load(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.Path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	look(false, "") // the first look might see it being replaced
	look(false, "not a regular file")
	look(false, "")
	if err := os.Remove(f.Path); err != nil {
		t.Fatal(err)
	}
	write("two")
	look(false, "")
	look(true, "")
}

// An edit is noticed that leaves size and time as they were: one within the
// grain of the file system's clock, and one put in place with its time kept.
func TestFileOfTheSameSizeAndTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.cf")
	same := time.Now().Truncate(time.Second)
	put := func(text string) {
		t.Helper()
		writeFile(t, path+".new", text)
		if err := os.Chtimes(path+".new", same, same); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	f := &File{Path: path}
	if _, err := f.Load(); err != nil {
		t.Fatal(err)
	}
	put("other")
	changed := false
	for range 3 {
		c, err := f.Changed()
		if err != nil {
			t.Fatal(err)
		}
		changed = changed || c
	}
	if !changed {
		t.Error("not noticed")
	}
}

// A configuration behind links, of which one is put elsewhere: what Kubernetes
// does with a ConfigMap.
func TestFileBehindLinks(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"v1", "v2"} {
		if err := os.Mkdir(filepath.Join(dir, v), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, v, "test.cf"), "text "+v)
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, "tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("v1", "data")
	link("data/test.cf", "test.cf")
	f := &File{Path: filepath.Join(dir, "test.cf")}
	if _, err := f.Load(); err != nil {
		t.Fatal(err)
	}
	_, _ = f.Changed()
	link("v2", "data")
	changed := false
	for range 2 {
		c, err := f.Changed()
		if err != nil {
			t.Fatal(err)
		}
		changed = changed || c
	}
	if !changed {
		t.Error("not noticed")
	}
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
