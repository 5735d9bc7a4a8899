package admin_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/schema"
	"github.com/shunt-lb/shunt/director"
)

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	want := fixture.Whole()
	if err := newServer(t, tells(want)).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	got, err := admin.Dial(path).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want.API, want.Version = schema.Version, "1.2.3" // the server's
	opts := cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.IgnoreUnexported(director.ServerStatus{}, director.ServiceStatus{})}
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
	if _, err := c.Reload(t.Context(), false); err != nil {
		t.Errorf("a reload that succeeds: %v", err)
	}
	answer = errors.New("a.cf:1: error: <this>\na.cf:2: error: that")
	var refused *admin.RefusedError
	if _, err := c.Reload(t.Context(), false); !errors.As(err, &refused) || refused.Text != answer.Error() {
		t.Errorf("got %#v, want %q", err, answer)
	}
}

// A director that stops has not refused a configuration.
func TestReloadWhileStopping(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	src := tells(calm())
	src.reload = func(context.Context) error { return director.ErrStopped }
	if err := newServer(t, src).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	var refused *admin.RefusedError
	_, err := admin.Dial(path).Reload(t.Context(), false)
	if want := "shunt answers: shunt is stopping: the director is not running"; err == nil || errors.As(err, &refused) || err.Error() != want {
		t.Errorf("got %#v, want %q", err, want)
	}
}

func TestReloadCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := newServer(t, stuck()).ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := admin.Dial(path).Reload(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
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
	go func() { _, err := admin.Dial(path).Reload(t.Context(), false); result <- err }()
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
	defer closing(t, ln)
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

// TestClientLeavesNothingOpen: there is no Close, so nothing may stay open.
func TestClientLeavesNothingOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, ln)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer closing(t, c)
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("the connection stays open: %v", err)
		}
	})
	if _, err := admin.Dial(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
}
