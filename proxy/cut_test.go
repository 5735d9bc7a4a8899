package proxy_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// cutting is v with its i-th real server cut.
func cutting(v dataplane.VirtualService, i int) dataplane.VirtualService {
	v = v.Clone()
	v.RealServers[i].Weight = 0
	v.Cut = []netip.AddrPort{v.RealServers[i].Addr}
	return v
}

// When Apply returns nobody is left at a server that is cut, and everybody is
// at the others.
func TestCut(t *testing.T) {
	a, b := tcpServer(t, "127.0.0.1", says("A")), tcpServer(t, "127.0.0.1", says("B"))
	v := tcpService(t, a, b)
	v.Persistent, v.PersistentBits = patience, 32
	d := newPlane(t, proxy.Options{Workers: 2})
	apply(t, d, v)
	letter := make([]byte, 1)
	clients := map[string][]*net.TCPConn{}
	greeted := func() string {
		c := dial(t, v)
		_ = get[int](t)(io.ReadFull(c, letter))
		clients[string(letter)] = append(clients[string(letter)], c)
		return string(letter)
	}
	if first := greeted(); first != "A" || greeted() != "A" {
		t.Fatalf("the client is at %s", first)
	}
	apply(t, d, cutting(v, 0))
	if st := status(t, d); st.Servers[0].Active != 0 || st.Counters.Cut != 2 || st.Servers[0].Counters.Cut != 2 {
		t.Errorf("%d are left and %d cut, want none and 2", st.Servers[0].Active, st.Counters.Cut)
	}
	for _, c := range clients["A"] {
		wantReset(t, c)
	}
	if greeted() != "B" {
		t.Error("the client is still pinned to a server that is cut")
	}
	// The server has left altogether, and has come back.
	w := cutting(v, 0)
	w.RealServers = w.RealServers[1:]
	apply(t, d, w)
	apply(t, d, v)
	apply(t, d, cutting(v, 1))
	wantReset(t, clients["B"][0])
	if greeted() != "A" {
		t.Error("the client is not at the one that is left")
	}
	writes := d.Writes()
	apply(t, d, cutting(v, 1))
	if d.Writes() != writes {
		t.Error("what is in force was applied again")
	}
}

// A server that is removed while it is cut loses its connections too.
func TestCutRemoved(t *testing.T) {
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("A")), tcpServer(t, "127.0.0.1", says("B")))
	d := newPlane(t, proxy.Options{})
	apply(t, d, v)
	c := dial(t, v)
	_ = get[int](t)(io.ReadFull(c, make([]byte, 1)))
	w := cutting(v, 0)
	w.RealServers = w.RealServers[1:]
	apply(t, d, w)
	wantReset(t, c)
	if n := status(t, d).Counters.Cut; n != 1 {
		t.Errorf("%d are cut, want 1", n)
	}
}

func TestCutFlows(t *testing.T) {
	a, _ := udpServer(t, "127.0.0.1", named("A"))
	b, _ := udpServer(t, "127.0.0.1", named("B"))
	v := udpService(t, a, b)
	d := newPlane(t, proxy.Options{})
	apply(t, d, v)
	c := dialUDP(t, v)
	if got := exchange(t, c, "x"); got != "Ax" {
		t.Fatalf("answer %q", got)
	}
	apply(t, d, cutting(v, 0))
	if got := exchange(t, c, "x"); got != "Bx" {
		t.Errorf("answer %q, want that of the other server", got)
	}
	if st := status(t, d); st.Counters.Cut != 1 || st.Servers[0].Active != 0 {
		t.Errorf("status: %+v", st)
	}
}

// Apply ends with Close, whatever it was about to cut.
func TestCutWhileClosing(t *testing.T) {
	for range 20 {
		v := tcpService(t, tcpServer(t, "127.0.0.1", says("A")))
		d := proxy.New(proxy.Options{Workers: 2})
		apply(t, d, v)
		_ = get[int](t)(io.ReadFull(dial(t, v), make([]byte, 1)))
		done := make(chan error, 1)
		go func() { done <- d.Apply(t.Context(), cutting(v, 0)) }()
		_ = d.Close()
		if err := <-done; err != nil && !errors.Is(err, dataplane.ErrClosed) {
			t.Error(err)
		}
	}
}
