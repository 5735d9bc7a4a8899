package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
	defer unix.Umask(unix.Umask(0)) // the worst case
	path := filepath.Join(t.TempDir(), "run", "s")
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

// stale leaves a socket at path that nobody listens on, as kill -9 does.
func stale(t *testing.T, path string) {
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
	if err := os.WriteFile(path+".lock", []byte("999999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
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
	defer ln.Close()
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

// fill gives everything that v holds, as far as it travels, a value of its
// own.
func fill(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 123456789).UTC()))
	case v.Kind() == reflect.Struct:
		for f, value := range v.Fields() {
			if f.IsExported() && f.Tag.Get("json") != "-" {
				fill(value, n)
			}
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprintf("<%d> \"é\"\n", *n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanUint():
		v.SetUint(uint64(*n))
	}
}

// whole is a status in which nothing that travels is zero.
func whole() director.Status {
	var st director.Status
	fill(reflect.ValueOf(&st).Elem(), new(int))
	return st
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	want := whole()
	if err := newServer(t, tells(want)).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	got, err := admin.Dial(path).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.IgnoreUnexported(director.ServerStatus{})}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("status (-sent +received):\n%s", diff)
	}
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var answer error
	src := tells(calm())
	src.reload = func(context.Context) error { return answer }
	if err := newServer(t, src).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	c := admin.Dial(path)
	if err := c.Reload(t.Context()); err != nil {
		t.Errorf("a reload that succeeds: %v", err)
	}
	answer = errors.New("a.cf:1: error: <this>\na.cf:2: error: that")
	var refused *admin.RefusedError
	if err := c.Reload(t.Context()); !errors.As(err, &refused) || refused.Text != answer.Error() {
		t.Errorf("got %#v, want %q", err, answer)
	}
}

func TestReloadCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := newServer(t, stuck()).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := admin.Dial(path).Reload(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestReloadDuringClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	asked := make(chan struct{})
	src := stuck()
	block := src.reload
	src.reload = func(ctx context.Context) error {
		close(asked)
		return block(ctx)
	}
	s := newServer(t, src)
	if err := s.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() { result <- admin.Dial(path).Reload(t.Context()) }()
	<-asked
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; err == nil {
		t.Error("a reload that never ended has succeeded")
	}
}

func TestClientAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	try := func(what string) {
		t.Helper()
		_, err := admin.Dial(path).Status(t.Context())
		want := "no shunt is running with control socket " + path
		if !errors.Is(err, admin.ErrNotRunning) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	try("no socket")
	stale(t, path)
	try("a stale socket")
}

func TestClientForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if c, err := ln.Accept(); err == nil {
			_ = c.Close()
		}
	})
	_, err = admin.Dial(path).Status(t.Context())
	if want := "control socket " + path; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
