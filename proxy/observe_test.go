package proxy_test

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// Every third failed connection in a row to a real server is told, whoever the
// clients are, and one that succeeds begins the count anew. Clients are served
// meanwhile, and nothing is told without a limit.
func TestObserve(t *testing.T) {
	d := newPlane(t, proxy.Options{Workers: 2})
	var told atomic.Int32
	var where atomic.Pointer[netip.AddrPort]
	well, gone := tcpServer(t, "127.0.0.1", says("well")), dead(t)
	v := tcpService(t, gone, well)
	v.Scheduler, v.ErrorLimit = "rr", 3
	d.Observe(func(id dataplane.ServiceID, server netip.AddrPort) {
		if id != v.ID {
			t.Errorf("told of %v, want %v", id, v.ID)
		}
		where.Store(&server)
		told.Add(1)
	})
	apply(t, d, v)
	failures := func() uint64 {
		servers := status(t, d).Servers
		return servers[slices.IndexFunc(servers, func(s dataplane.ServerStatus) bool { return s.Addr == gone })].Counters.Failures
	}
	for failures() < 7 {
		wantAnswer(t, v, "well")
	}
	if n := told.Load(); n != 2 || *where.Load() != gone {
		t.Errorf("told %d times of %v after 7 failures, want twice of %v", n, where.Load(), gone)
	}
	ln, err := net.Listen("tcp", gone.String())
	if err != nil {
		t.Fatal(err)
	}
	serveTCP(t, ln, says("back"))
	for got := ""; got != "back"; {
		got, _ = ask(t, v, 4)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	for failures() < 9 { // two in a row, which would be nine without the success
		wantAnswer(t, v, "well")
	}
	if n := told.Load(); n != 2 {
		t.Errorf("told %d times, want twice: a success was between", n)
	}
	v.ErrorLimit = 0
	apply(t, d, v)
	for failures() < 15 {
		wantAnswer(t, v, "well")
	}
	if n := told.Load(); n != 2 {
		t.Errorf("told %d times without a limit", n-2)
	}
}
