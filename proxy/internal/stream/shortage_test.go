package stream

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
)

// That no socket is to be had says nothing about the real server it was for.
func TestNoDescriptorToDialWith(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, silent(t), addr)
	c := r.dial()
	r.Until("the first real server is tried", func() bool { return r.only().state == connecting })
	lift := enginetest.NoDescriptors(t)
	r.h.accept.reserve.release()
	r.Pass(2 * time.Second)
	if _, err := r.receive(c); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the client got %v, want a reset", err)
	}
	got := r.service.Books.Status()
	if got.Counters.Refused != 1 || got.Servers[0].Counters.Failures != 1 || got.Servers[1].Counters.Failures != 0 {
		t.Errorf("counted %+v and %+v, want one refused, and a failure of the first alone", got.Counters, got.Servers)
	}
	if r.fwd.Pauses() != 1 {
		t.Errorf("%d pauses, want 1", r.fwd.Pauses())
	}
	lift()
	r.Pass(time.Second)
	r.service.Books.Update(newService(addr).Books.Spec())
	r.pair(l)
}
