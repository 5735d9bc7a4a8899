package stream

import (
	"testing"
	"time"
)

// A client that waits for a place is accepted as soon as there is one, by an event
// and not by the clock; until then the listener makes no events.
func TestWaitingClientIsAcceptedByAnEvent(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.fwd.Bound(Bounds{Connections: 1})
	first, s := r.pair(l)
	r.dial()
	r.Until("the second one waits", func() bool { return r.h.accept.suspended == 1 })
	r.settle()
	if r.Worker.Iterate(0); r.Worker.Events != 0 {
		t.Errorf("%d events while it waits", r.Worker.Events)
	}
	if rest := r.Worker.Rest(); rest <= 0 {
		t.Errorf("the worker rests for %d ms, want that it does", rest)
	}
	_, _ = first.Close(), s.Close()
	accepted := make(chan error, 1)
	go func() { _, err := l.Accept(); accepted <- err }()
	r.Until("the second one is taken in", func() bool { // the clock stands still
		select {
		case err := <-accepted:
			r.Must(err)
			return true
		default:
			return false
		}
	})
	if n := r.fwd.limiter.Load().FullListeners; n != 0 || r.h.accept.suspended != 0 {
		t.Errorf("%d wait, %d are held, want none", n, r.h.accept.suspended)
	}
}

// A listener that closes while it waits is not waited for.
func TestCloseWhileItWaits(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.fwd.Bound(Bounds{Connections: 1})
	first, s := r.pair(l)
	r.dial()
	r.Until("the second one waits", func() bool { return r.h.accept.suspended == 1 })
	r.h.accept.closeListener(r.fd)
	if n := r.fwd.limiter.Load().FullListeners; n != 0 || r.h.accept.suspended != 0 {
		t.Errorf("%d wait, %d are held, want none", n, r.h.accept.suspended)
	}
	_, _ = first.Close(), s.Close()
	r.Until("the first one is over", r.gone)
	r.Pass(time.Second)
	if n := r.fwd.limiter.Used(); n != 0 {
		t.Errorf("%d places are taken, want none", n)
	}
}
