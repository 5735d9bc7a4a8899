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

// A change of an included file counts as one of the file, and so do a new file, one
// that is gone, one that may be read again, and one that comes by a link elsewhere.
func TestIncludedFilesChange(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"conf.d", "v1", "v2"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, at("test.cf"), "include = conf.d/*.cf\ninclude = link/one.cf\n")
	writeFile(t, at("conf.d/a.cf"), "first")
	writeFile(t, at("v1/one.cf"), "v1")
	writeFile(t, at("v2/one.cf"), "v2")
	do(os.Symlink("v1", at("link")))
	f := &File{Path: at("test.cf")}
	if _, err := f.Load(); err != nil {
		t.Fatal(err)
	}
	changed := func() (changed bool) {
		t.Helper()
		for range 3 {
			c, err := f.Changed()
			do(err)
			changed = changed || c
		}
		return changed
	}
	if changed() {
		t.Error("a change before there was one")
	}
	for _, step := range []struct {
		name    string
		do      func()
		changed bool
	}{
		{"edited", func() { writeFile(t, at("conf.d/a.cf"), "other") }, true},
		{"new", func() { writeFile(t, at("conf.d/b.cf"), "new") }, true},
		{"of another name", func() { writeFile(t, at("conf.d/b.conf"), "new") }, false},
		{"touched", func() { writeFile(t, at("conf.d/b.cf"), "new") }, false},
		{"renamed", func() { do(os.Rename(at("conf.d/b.cf"), at("conf.d/c.cf"))) }, true},
		{"gone", func() { do(os.Remove(at("conf.d/c.cf"))) }, true},
		{"linked", func() { do(os.Remove(at("link"))); do(os.Symlink("v2", at("link"))) }, true},
		{"missing", func() { do(os.Remove(at("v2/one.cf"))) }, true},
		{"missing for longer", func() {}, false},
		{"there again", func() { writeFile(t, at("v2/one.cf"), "v2") }, true},
		{"folder gone", func() { do(os.RemoveAll(at("conf.d"))) }, true},
		{"folder back", func() { do(os.Mkdir(at("conf.d"), 0o755)) }, true},
		{"and its file", func() { writeFile(t, at("conf.d/a.cf"), "other") }, true},
		{"no longer included", func() { writeFile(t, at("test.cf"), "# nothing\n") }, true},
		{"nobody's", func() { writeFile(t, at("conf.d/a.cf"), "nobody's") }, false},
	} {
		if step.do(); changed() != step.changed {
			t.Errorf("%s: changed is %v, want %v", step.name, !step.changed, step.changed)
		}
	}
}
