package checks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// After a check that succeeds its real server is asked by the VIP, and a refusal
// there has its words. A check that fails is the whole one. Loopback addresses
// stand for both; ipvs has a test with real servers of a kernel.
func TestByVIP(t *testing.T) {
	need.Root(t)
	server := listening(t, "127.14.3.1:0")
	taken := listening(t, "127.14.3.2:0")
	for taken.Port() == server.Port() { // by chance
		taken = listening(t, "127.14.3.2:0")
	}
	well := func(context.Context, Target) error { return nil }
	bad := errors.New("bad")
	blind := func(err error) { t.Errorf("blind: %v", err) }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	at := func(f Func, vip netip.AddrPort) error {
		return ByVIP(f, Path{Mark: 0x53480001, VIP: vip}, blind)(ctx, Target{Addr: server})
	}
	if err := at(well, taken); err != nil {
		t.Errorf("a VIP that answers: %v", err)
	}
	free := netip.AddrPortFrom(taken.Addr(), server.Port())
	err := at(well, free)
	want := "vip " + free.String() + ": connection refused although the check of " + server.String() + " succeeds: the service there does not listen on the VIP"
	if err == nil || err.Error() != want || KindOf(err) != Refused {
		t.Errorf("a VIP where nobody listens: %v (%s), want %s", err, KindOf(err), want)
	}
	if err := at(func(context.Context, Target) error { return bad }, taken); !errors.Is(err, bad) {
		t.Errorf("a check that fails: %v, want %v", err, bad)
	}
}

// A check that is made by the path as a whole sees what answers on the VIP, asks
// nothing there but by connections that end with a reset, and notes nothing twice.
func TestWholeByVIP(t *testing.T) {
	need.Root(t)
	well, err := config.CompilePattern("well")
	if err != nil {
		t.Fatal(err)
	}
	server, vip := saying(t, "127.14.3.3:0", "well\n"), saying(t, "127.14.3.4:0", "other\n")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	check := func(f Func, vip netip.AddrPort, want Matcher) error {
		blind := func(err error) { t.Errorf("blind: %v", err) }
		return ByVIP(f, Path{Mark: 0x53480001, VIP: vip, Whole: true}, blind)(ctx, Target{Addr: server, Receive: want})
	}
	if err := check(SimpleTCP, vip, nil); err != nil {
		t.Errorf("any answer: %v", err)
	}
	if err := check(SimpleTCP, server, well); err != nil {
		t.Errorf("the same on the VIP: %v", err)
	}
	err = check(SimpleTCP, vip, well)
	if err == nil || !strings.HasPrefix(err.Error(), "vip "+vip.String()+": simpletcp ") || !strings.HasSuffix(err.Error(), "although the check of "+server.String()+" succeeds: another service answers on the VIP, or another virtual host") {
		t.Errorf("another service on the VIP: %v", err)
	}
	unused := netip.AddrPortFrom(vip.Addr(), 1)
	err = check(SimpleTCP, unused, nil)
	if want := "vip " + unused.String() + ": connection refused although"; err == nil || !strings.HasPrefix(err.Error(), want) || KindOf(err) != Refused {
		t.Errorf("nobody on the VIP: %v, want %s", err, want)
	}
	silent := func(context.Context, Target) error { return nil } // makes no connection
	if err := check(silent, unused, nil); KindOf(err) != Refused {
		t.Errorf("a check without a connection: %v, want that the VIP refuses one", err)
	}
}

// saying is a server that says a line to whom connects.
func saying(t *testing.T, addr, line string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(line))
			_ = c.Close()
		}
	}()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// Faults that only a network makes have their words, and their kinds.
func TestFaultsByVIP(t *testing.T) {
	server := netip.MustParseAddrPort("192.0.2.1:80")
	for _, c := range []struct {
		tunnel bool
		err    error
		kind   Kind
		word   string
	}{
		{false, os.ErrDeadlineExceeded, Timeout, "go another way"},
		{true, context.DeadlineExceeded, Timeout, "rp_filter"},
		{true, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", unix.EHOSTUNREACH)}, Unreachable, "passes packets for it on"},
	} {
		err := Path{Tunnel: c.tunnel}.fault(server, c.err)
		if failure.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%v, tunnel %v: %v (%s), want %q in it (%s)", c.err, c.tunnel, err, failure.KindOf(err), c.word, c.kind)
		}
	}
}

func listening(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}
