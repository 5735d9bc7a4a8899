package dgram

import (
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

func (q *fixture) wantHaving(want int) {
	q.Helper()
	if _, having := q.service.Screen.Sources(); having != want {
		q.Errorf("sources have %d, want %d", having, want)
	}
}

// However a flow ends, what its source has is given back.
func TestSourceOfFlows(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 3)
	s := q.socket("127.0.0.1")
	q.service.Screen.Set(nil, screen.Limits{Conns: 100, Bits4: 32, Bits6: 64})
	q.service.Books.Update(spec(addrOf(s)))
	for range 3 {
		q.ask(q.client(), s, "question")
	}
	q.wantHaving(3)
	q.Pass(time.Second)
	q.ask(q.client(), s, "in place of another")
	q.wantHaving(3)
	q.Pass(time.Minute + engine.TickLength)
	if q.flows() != 0 {
		t.Errorf("%d flows, want none", q.flows())
	}
	q.wantHaving(0)

	q.ask(q.client(), s, "question")
	q.cutAll()
	q.wantHaving(0)

	// Nobody listens: the flow ends, and its source has nothing.
	_ = s.Close()
	c := q.client()
	q.Until("the port is found closed", func() bool {
		q.write(c, []byte("?"))
		q.Worker.Iterate(1)
		return q.service.Books.Status().Counters.Failures > 1
	})
	q.Until("no flow", func() bool { return q.flows() == 0 })
	q.wantHaving(0)

	// No real server, and no socket to be had.
	q.service.Books.Update(spec())
	q.write(q.client(), []byte("?"))
	q.Until("refused", func() bool { return q.service.Books.Status().Counters.Refused > 0 })
	q.wantHaving(0)
	s = q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	for range 3 {
		q.ask(q.client(), s, "question")
	}
	q.h.closePort(q.port.fd)
	q.wantHaving(0)
}

// With one-packet scheduling it is datagrams that a source may send so many of,
// and nothing is kept of it.
func TestSourceOfDatagrams(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	s := q.socket("127.0.0.1")
	q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}, OnePacket: true})
	q.service.Screen.Set(nil, screen.Limits{Rate: dataplane.Rate{Count: 5, Per: time.Hour}, Bits4: 32})
	q.service.Books.Update(spec(addrOf(s)))
	c := q.client()
	for range 9 {
		q.write(c, []byte("question"))
	}
	q.Until("four are throttled", func() bool { return q.service.Books.Status().Counters.Throttled == 4 })
	for range 5 {
		b := make([]byte, 100)
		_, _, err := s.ReadFromUDPAddrPort(b)
		q.Must(err)
	}
	q.wantHaving(0)
}

// cutAll has everything at the first real server of a service cut.
func (q *fixture) cutAll() {
	restore := enginetest.CutFirst(q.service.Books)
	q.h.cutting(q.service)()
	restore()
}
