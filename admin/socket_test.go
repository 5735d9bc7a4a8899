package admin_test

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
)

// entries names what is in the folder of path.
func entries(t testing.TB, path string) []string {
	t.Helper()
	es, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names
}

func TestControlPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "s")
	defer unix.Umask(unix.Umask(0)) // the worst case
	s := newServer(t, tells(calm()))
	if err := s.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := fs.ModeSocket | 0o600; info.Mode() != want {
		t.Errorf("mode %v, want %v", info.Mode(), want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := entries(t, path); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// stale leaves a socket at path that nobody listens on, and its lock, as kill
// -9 does.
func stale(t *testing.T, path string) {
	t.Helper()
	abandoned(t, path)
	if err := os.WriteFile(path+".lock", []byte("shunt 999999\n/etc/old.cf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// abandoned leaves a socket at path that nobody listens on.
func abandoned(t *testing.T, path string) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestControlStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale(t, path)
	if err := newServer(t, tells(calm())).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Dial(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestControlSecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := newServer(t, tells(calm())).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	second := newServer(t, tells(director.Status{}))
	err := second.ListenControl(t.Context(), path)
	want := fmt.Sprintf("control socket %s: another shunt (process %d) is running on it", path, os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := admin.Dial(path).Status(t.Context()); err != nil || !st.Ready {
		t.Errorf("the first one is gone: %v %v", st.Ready, err)
	}
}

// TestControlRace: of many that start over the same stale socket, one gets
// it, and it is the one that answers.
func TestControlRace(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "s")
		stale(t, path)
		won := make(chan *admin.Server, 8)
		var wg sync.WaitGroup
		for range cap(won) {
			s := newServer(t, tells(calm()))
			wg.Go(func() {
				if s.ListenControl(t.Context(), path) == nil {
					won <- s
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d servers have the socket", len(won))
		}
		if _, err := admin.Dial(path).Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := (<-won).Close(); err != nil {
			t.Fatal(err)
		}
		if left := entries(t, path); len(left) > 0 {
			t.Fatalf("left behind: %v", left)
		}
	}
}

// TestControlHandover: however fast one goes and the next comes, there is never a
// second one, and who is refused is told the true reason.
func TestControlHandover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var holders atomic.Int32
	turn := func() {
		ln, err := admin.Claim(t.Context(), path)
		if err != nil {
			if !strings.Contains(err.Error(), "another shunt") {
				t.Error(err)
			}
			return
		}
		if holders.Add(1) > 1 {
			t.Error("two at once")
		}
		holders.Add(-1)
		closing(t, ln)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				turn()
			}
		})
	}
	wg.Wait()
	if left := entries(t, path); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestControlRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign")
	ln, err := net.Listen("unix", foreign)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, ln)
	for path, want := range map[string]string{
		file:                           "there is a file of that name that is no socket",
		foreign:                        "another program listens there",
		dir + "/a/b/s":                 "no such file or directory",
		dir + strings.Repeat("/", 3):   "", // the folder itself
		"/" + strings.Repeat("x", 107): "the path has 108 bytes, the kernel takes 107",
	} {
		err := newServer(t, tells(calm())).ListenControl(t.Context(), path)
		if err == nil || !strings.HasPrefix(err.Error(), "control socket ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("the file has been touched")
	}
	if diff := cmp.Diff([]string{"file", "foreign"}, entries(t, file)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
