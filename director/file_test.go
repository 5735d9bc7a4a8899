package director

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is no regular file is refused at once; opening a pipe nobody writes
// into would hold up every reload.
func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, os.DevNull} {
		_, err := (&file{path: path}).load()
		if want := "read " + path + ": not a regular file"; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}

// A file that becomes something else is complained about once, and read when
// it is one again.
func TestFileTurnsIntoAFolder(t *testing.T) {
	f := &file{path: filepath.Join(t.TempDir(), "cf")}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := func(wantChanged bool, wantErr string) {
		t.Helper()
		changed, err := f.changed()
		if changed != wantChanged || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("got %v, %v, want %v, %q", changed, err, wantChanged, wantErr)
		}
	}
	write("one")
	if _, err := f.load(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.path, 0o700); err != nil {
		t.Fatal(err)
	}
	look(false, "") // the first look might see it being replaced
	look(false, "not a regular file")
	look(false, "")
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	write("two")
	look(false, "")
	look(true, "")
}
