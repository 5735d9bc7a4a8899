package checks_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/checks"
)

func TestConnect(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		addr := server(t, host, silent)
		want(t, run(t, "connect", long, checks.Target{Addr: addr}), "", addr)
	}
	addr := refused(t)
	want(t, both(t, "connect", long, checks.Target{Addr: addr}), "connect ADDR: connection refused", addr)
	addr = netip.MustParseAddrPort("127.0.0.1:0")
	want(t, both(t, "connect", long, checks.Target{Addr: addr}),
		"connect ADDR: there is no port to check: set checkport", addr)
}

// The server sees an orderly end: EOF and not a reset.
func TestConnectEndsOrderly(t *testing.T) {
	end := make(chan error, 1)
	addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
		_, err := conn.Read(make([]byte, 1))
		end <- err
	})
	want(t, run(t, "connect", long, checks.Target{Addr: addr}), "", addr)
	if err := <-end; err == nil || err.Error() != "EOF" {
		t.Errorf("the server's read ended with %v, want EOF", err)
	}
}

func TestConnectTimeout(t *testing.T) {
	addr := full(t)
	err := both(t, "connect", brief, checks.Target{Addr: addr})
	want(t, err, "connect ADDR: timed out after 200ms", addr)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not match context.DeadlineExceeded", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"connect", "ping", "http", "https", "http_proxy", "simpletcp", "external", "external-perl"} {
		check, _ := checks.For(name)
		err := check(ctx, checks.Target{Addr: refused(t), Command: "/bin/true"})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v does not match context.Canceled", name, err)
		}
	}
}

func TestFor(t *testing.T) {
	if _, ok := checks.For("gopher"); ok {
		t.Error("there is a check gopher")
	}
	none, ok := checks.For("none")
	if !ok || none(t.Context(), checks.Target{}) != nil {
		t.Error("none does not succeed always")
	}
}
