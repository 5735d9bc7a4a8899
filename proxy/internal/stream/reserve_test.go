package stream

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// A descriptor that becomes free when the reserve has been used goes into the
// reserve, not to a client for whose real server there is none.
func TestFreedDescriptorsFillTheReserve(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	first, second := r.dial(), r.dial()
	other, err := unix.Dup(0)
	r.Must(err)
	lift := exhaust(t, 1)
	r.h.accept.acceptUpTo(r.h.accept.listeners[0], 1)
	if r.h.accept.reserve[0] != engine.None {
		t.Fatal("the reserve is still there")
	}
	r.Must(unix.Close(other)) // somebody else is done with it
	r.h.accept.acceptUpTo(r.h.accept.listeners[0], 1)
	if n := r.service.Books.Status().Counters.Refused; n != 0 {
		t.Fatalf("%d clients were refused for want of a descriptor, want that they wait", n)
	}
	lift()
	r.Pass(3 * engine.TickLength)
	for _, c := range []*net.TCPConn{first, second} {
		s, err := l.AcceptTCP()
		r.Must(err)
		_, _ = io.WriteString(s, "hello")
		_ = s.Close()
		_ = c.CloseWrite()
	}
	for _, c := range []*net.TCPConn{first, second} {
		if b, err := r.receive(c); string(b) != "hello" {
			t.Errorf("a client got %q, %v", b, err)
		}
	}
}

// An attempt that fails leaves its descriptor to the next one, not to whoever
// is quick.
func TestNextAttemptHasADescriptor(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, silent(t), addr)
	r.dial()
	exhaust(t, 1)
	r.Until("an attempt is under way", func() bool { return r.only().state == connecting })
	if r.h.accept.reserve[0] != engine.None {
		t.Fatal("the reserve is still there")
	}
	r.h.dialer.closeAttempt(r.only())
	if fd, err := unix.Dup(0); err == nil {
		_ = unix.Close(fd)
		t.Fatal("somebody else got the descriptor")
	}
	r.h.dialer.attemptFailed(r.only(), unix.ETIMEDOUT)
	r.h.dialer.connectNext(r.only(), netip.MustParseAddrPort("192.0.2.1:1"))
	r.Until("the next real server is reached", func() bool { return r.only().state == relaying })
	_ = l.Close()
}
