package loop

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A descriptor that becomes free when the reserve has been used goes into the
// reserve, not to a client for whose real server there is none.
func TestNobodyTakenInWithoutAReserve(t *testing.T) {
	l, addr := listen(t)
	r := newRig(t, addr)
	first, second := r.dial(), r.dial()
	other, err := unix.Dup(0)
	r.must(err)
	lift := exhaust(t, 1)
	r.w.admit(r.w.listeners[0], 1)
	if r.w.reserve != none {
		t.Fatal("the reserve is still there")
	}
	r.must(unix.Close(other)) // somebody else is done with it
	r.w.admit(r.w.listeners[0], 1)
	if n := r.service.Books.Status().Counters.Refused; n != 0 {
		t.Fatalf("%d clients were refused for want of a descriptor, want that they wait", n)
	}
	lift()
	r.pass(3 * tickLength)
	for _, c := range []*net.TCPConn{first, second} {
		s, err := l.AcceptTCP()
		r.must(err)
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
