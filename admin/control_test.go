package admin_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// newFor returns a server of the director of a configuration, which counts
// its reloads.
func newFor(t *testing.T, o admin.Options) (*admin.Server, *atomic.Int32) {
	t.Helper()
	var reloads atomic.Int32
	st := calm()
	st.Config.Path = o.Config
	o.Source = source{
		status: func(context.Context) (director.Status, error) { return st, nil },
		reload: func(context.Context) error { reloads.Add(1); return nil },
	}
	o.Log = slog.New(slog.DiscardHandler)
	s := admin.New(o)
	t.Cleanup(func() { closing(t, s) })
	return s, &reloads
}

// inFolder makes a folder as the control socket wants it, and returns a path
// in it.
func inFolder(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// TestControlAddressed: who asks for the director of one file never reaches
// another file's, by whatever socket; by another name of the same file he does.
func TestControlAddressed(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"real", "other"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file, other := filepath.Join(dir, "real/a.cf"), filepath.Join(dir, "other/a.cf")
	link, linked := filepath.Join(dir, "link.cf"), filepath.Join(dir, "folder/a.cf")
	for _, f := range []string{file, other} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"folder": "real", "link.cf": "real/a.cf"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	for _, own := range []string{file, link, linked} {
		path := inFolder(t, "s")
		s, reloads := newFor(t, admin.Options{Config: own})
		if err := s.ListenControl(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		for _, asked := range []string{file, link, linked} {
			before := reloads.Load()
			c := admin.Dial(path).For(asked)
			if _, err := c.Status(t.Context()); err != nil {
				t.Errorf("%s, asked for as %s: %v", own, asked, err)
			}
			if _, err := c.Reload(t.Context(), false); err != nil || reloads.Load() != before+1 {
				t.Errorf("%s, asked for as %s: reload: %v", own, asked, err)
			}
		}
		before := reloads.Load()
		for _, asked := range []string{other, filepath.Join(dir, "gone.cf"), "/", "/etc/ha.d/ldirectord.cf?config=" + own, own + "\n"} {
			c := admin.Dial(path).For(asked)
			want := "this shunt runs " + own + ", not " + asked
			if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("status of %q at %s: %v, want %s", asked, own, err, want)
			}
			if err := c.Connections(t.Context(), admin.ConnectionFilter{}, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("connections of %q at %s: %v, want %s", asked, own, err, want)
			}
			if _, err := c.Reload(t.Context(), false); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("reload of %q at %s: %v, want %s", asked, own, err, want)
			}
		}
		if reloads.Load() != before {
			t.Errorf("%s was reloaded for another", own)
		}
		if _, err := admin.Dial(path).Status(t.Context()); err != nil {
			t.Errorf("asked for no file: %v", err)
		}
	}
}

// TestControlNames: no two files have a name in common, and one file has one
// in common with itself whatever it is called.
func TestControlNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/x.cf", "b/x.cf", "a/x", "a/" + strings.Repeat("é", 120) + ".cf"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("a/x.cf", filepath.Join(dir, "l.cf")), os.Symlink("l.cf", filepath.Join(dir, "ll.cf"))); err != nil {
		t.Fatal(err)
	}
	owner := map[string]string{}
	for name, file := range map[string]string{
		"a/x.cf": "a/x.cf", "b/x.cf": "b/x.cf", "a/x": "a/x", "l.cf": "a/x.cf", "ll.cf": "a/x.cf", "gone.cf": "gone.cf", "gone/x.cf": "gone/x.cf",
		"a/" + strings.Repeat("é", 120) + ".cf": "long",
	} {
		for _, socket := range admin.ControlNames(filepath.Join(dir, name)) {
			if was := owner[socket]; was != "" && was != file {
				t.Errorf("%s is the socket of %s and of %s", socket, was, file)
			}
			owner[socket] = file
			if len(socket) > 60 {
				t.Errorf("%s has %d bytes", socket, len(socket))
			}
		}
	}
	first, second := admin.ControlNames(filepath.Join(dir, "l.cf")), admin.ControlNames(filepath.Join(dir, "ll.cf"))
	if first[len(first)-1] != second[len(second)-1] {
		t.Errorf("%v and %v are of one file", first, second)
	}
}

// TestControlSecondNamed: who comes second is told for which file the first
// one runs.
func TestControlSecondNamed(t *testing.T) {
	path := inFolder(t, "s")
	first, _ := newFor(t, admin.Options{Config: "/etc/one.cf"})
	if err := first.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	second, _ := newFor(t, admin.Options{Config: "/etc/two.cf"})
	err := second.ListenControl(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), ", for /etc/one.cf) is running on it") {
		t.Errorf("got %v", err)
	}
}

// TestControlComesBack: whatever of its files is removed, the director can be
// asked again, and it is still the only one.
func TestControlComesBack(t *testing.T) {
	for name, remove := range map[string]func(path string) error{
		"socket": os.Remove,
		"lock":   func(path string) error { return os.Remove(path + ".lock") },
		"folder": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"moved":  func(path string) error { return os.Rename(path, path+".old") },
		"another socket in its place": func(path string) error {
			ln, err := net.Listen("unix", path+".new")
			if err != nil {
				return err
			}
			ln.(*net.UnixListener).SetUnlinkOnClose(false)
			return errors.Join(ln.Close(), os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := inFolder(t, "s")
			s, _ := newFor(t, admin.Options{Config: "/etc/one.cf"})
			if err := s.ListenControl(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			if err := remove(path); err != nil {
				t.Fatal(err)
			}
			_ = wait.For(t, "the socket and its lock are back", func() (error, bool) {
				_, err := admin.Dial(path).Status(t.Context())
				_, lock := os.Lstat(path + ".lock")
				err = errors.Join(err, lock)
				return err, err == nil
			})
			second, _ := newFor(t, admin.Options{Config: "/etc/one.cf"})
			if err := second.ListenControl(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another shunt") {
				t.Errorf("a second one: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			for _, f := range entries(t, path) {
				if f != "s.old" {
					t.Errorf("%s is left behind", f)
				}
			}
		})
	}
}

// TestControlFolder: neither a shunt nor who asks one has to do with a folder
// in which another could put his own socket.
func TestControlFolder(t *testing.T) {
	need.Root(t) // it changes owners
	for name, spoil := range map[string]func(dir string) error{
		"writable by all":       func(dir string) error { return os.Chmod(dir, 0o757) },
		"writable by its group": func(dir string) error { return os.Chmod(dir, 0o775) },
		"another's, and sticky": func(dir string) error {
			return errors.Join(os.Chmod(dir, 0o777|fs.ModeSticky), os.Chown(dir, 54322, 0))
		},
		"another user's": func(dir string) error { return os.Chown(dir, 54322, 0) },
		"behind another's link": func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".real"), os.Symlink(dir+".real", dir), os.Lchown(dir, 54322, 0))
		},
	} {
		path := inFolder(t, "s")
		s, reloads := newFor(t, admin.Options{Config: "/etc/one.cf"})
		if err := s.ListenControl(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if err := spoil(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Dial(path).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "folder "+filepath.Dir(path)) {
			t.Errorf("%s: status: %v", name, err)
		}
		if _, err := admin.Dial(path).Reload(t.Context(), false); err == nil || reloads.Load() > 0 {
			t.Errorf("%s: reload: %v", name, err)
		}
		second, _ := newFor(t, admin.Options{Config: "/etc/two.cf"})
		if err := second.ListenControl(t.Context(), path+"2"); err == nil || !strings.Contains(err.Error(), "folder "+filepath.Dir(path)) {
			t.Errorf("%s: listen: %v", name, err)
		}
		if _, err := os.Lstat(path + "2.lock"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a lock has been made: %v", name, err)
		}
	}
}

// In a sticky folder of root's nobody replaces what is another's.
func TestControlInStickyFolder(t *testing.T) {
	need.Root(t) // it changes owners
	path := inFolder(t, "s")
	if err := os.Chmod(filepath.Dir(path), 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	s, _ := newFor(t, admin.Options{Config: "/etc/one.cf"})
	if err := s.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Dial(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestControlKeepsFiles: what is no socket or lock of shunt's is left alone,
// whatever the path that shunt is told to use.
func TestControlKeepsFiles(t *testing.T) {
	text := func(s string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
	}
	socket := func(path string) error {
		ln, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(false)
		return ln.Close()
	}
	for name, put := range map[string]func(path string) error{
		"text":   text("precious\n"),
		"number": text("999999\n"),
		"empty":  text(""),
		"pipe":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":   func(path string) error { return os.Symlink("elsewhere", path) },
		"loop":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"socket": socket,
	} {
		for _, suffix := range []string{"", ".lock"} {
			path := inFolder(t, "s")
			if err := put(path + suffix); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := newFor(t, admin.Options{Config: "/etc/one.cf"})
			if err := s.ListenControl(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s at s%s: %v", name, suffix, err)
			}
			closing(t, s)
			after, err := os.Lstat(path + suffix)
			if err != nil || !os.SameFile(before, after) || after.Size() != before.Size() || after.ModTime() != before.ModTime() {
				t.Errorf("%s at s%s is not what it was: %v", name, suffix, err)
			}
			if left := entries(t, path); len(left) != 1 {
				t.Errorf("%s at s%s: left behind %v", name, suffix, left)
			}
		}
	}
}
