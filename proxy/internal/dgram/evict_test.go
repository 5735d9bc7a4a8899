package dgram

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// also opens a port for another service at the same worker.
func (q *fixture) also(servers ...netip.AddrPort) *fixture {
	q.Helper()
	other := &fixture{Harness: q.Harness, fwd: q.fwd, h: q.h}
	other.service = &Service{Service: virtual.Service{Name: fmt.Sprint("test ", len(q.h.ports)), Books: table.New(spec(servers...))}}
	other.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}})
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	fds, err := engine.Bind(addr, 1, portSocket, false)
	q.Must(err)
	q.Must(q.h.openPort(fds[0], addr, other.service))
	q.fwd.limiter.Join(&other.service.Quota)
	other.port = q.h.portOf(fds[0])
	name := new(engine.Sockaddr)
	engine.NameOf(fds[0], name)
	other.vip = name.Addr()
	return other
}

// first makes the first service of a worker one of those that divide.
func (q *fixture) first() *fixture {
	q.fwd.limiter.Join(&q.service.Quota)
	return q
}

// A fullFixture has a worker with so many services and, at the first, as many flows as there
// may be, each of which gives way when the next one comes.
type fullFixture struct {
	*fixture
	senders *senders
}

func newFull(t testing.TB, services int) *fullFixture {
	q := newFixture(t, "127.0.0.1", 4000).first()
	s := q.socket("127.0.0.1")
	_ = s.SetReadBuffer(1)
	q.service.Books.Update(spec(addrOf(s)))
	for range services - 1 {
		q.also(addrOf(s))
	}
	p := &fullFixture{q, q.senders()}
	for before := -1; q.flows() != before; {
		before = q.flows()
		p.press(20)
	}
	return p
}

// press sends batches from new clients, and returns how long a flow takes.
func (p *fullFixture) press(batches int) time.Duration {
	p.Helper()
	p.Now += engine.TickLength * 3
	began := p.fwd.Evictions()
	var took time.Duration
	for range batches {
		p.senders.send(batchSize)
		start := time.Now()
		p.Worker.Iterate(0)
		took += time.Since(start)
	}
	if n := p.fwd.Evictions() - began; n > 0 {
		return took / time.Duration(n)
	}
	return 0
}

// evictions compares what one costs with so many services and with one, in turns
// of which the quickest counts.
func evictions(t testing.TB, services, rounds int) (one, many time.Duration) {
	few, lots := newFull(t, 1), newFull(t, services)
	one, many = time.Hour, time.Hour
	for range rounds {
		one = min(one, few.press(8))
		many = min(many, lots.press(8))
	}
	return one, many
}

// To find the flow to evict costs the same however many services there are.
func TestEvictionCost(t *testing.T) {
	few, lots := newFull(t, 2*evictLook), newFull(t, 100*evictLook)
	var one, many time.Duration
	for range 5 { // somebody else may have the processor
		one, many = time.Hour, time.Hour
		for range 50 {
			one, many = min(one, few.find(100)), min(many, lots.find(100))
		}
		if many < 5*one { // fifty times as many services
			t.Logf("%v for a hundred with %d services, %v with %d", one, 2*evictLook, many, 100*evictLook)
			return
		}
	}
	t.Errorf("%v for a hundred with %d services, %v with %d", one, 2*evictLook, many, 100*evictLook)
}

// find looks n times for the flow to evict.
func (p *fullFixture) find(n int) time.Duration {
	p.Now += engine.TickLength * 3
	p.Worker.Iterate(0)
	start := time.Now()
	for range n {
		if p.h.evict.idlest(p.port) == nil {
			p.Fatal("there is none")
		}
	}
	return time.Since(start)
}

// BenchmarkEviction compares in one run what a flow costs that takes the place of
// another, with 1 and with 2,000 services.
func BenchmarkEviction(b *testing.B) {
	one, many := evictions(b, 2000, max(20, b.N/1000))
	b.ReportMetric(float64(one.Nanoseconds()), "ns/eviction-1")
	b.ReportMetric(float64(many.Nanoseconds()), "ns/eviction-2000")
	b.ReportMetric(float64(many)/float64(one), "ratio")
	b.ReportMetric(0, "ns/op")
}

// Flows give way from the service that has the most, whatever of how many others
// has been silent longest, and nobody gets more by taking from one who has less.
func TestEvictionTakesFromTheMost(t *testing.T) {
	const limit = 60
	q := newFixture(t, "127.0.0.1", limit).first()
	s, sink := q.socket("127.0.0.1"), q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(sink)))
	var others []*fixture
	for range 12 {
		others = append(others, q.also(addrOf(s)))
	}
	old := map[*fixture]*net.UDPConn{}
	for _, o := range others { // they are the oldest, with more than is their own
		for range 2 + limit/2/13 {
			old[o] = o.client()
			o.reply(old[o], s, o.ask(old[o], s, "question"), "answer")
		}
		q.Pass(2 * engine.TickLength)
	}
	few := others[0].port.count
	q.Pass(2 * time.Second)
	flood := q.senders()
	for range 10 {
		flood.send(batchSize)
		q.Until("the flood has come", func() bool { q.Worker.Iterate(0); return q.port.count > 0 })
		q.Pass(time.Second)
	}
	for i, o := range others {
		if o.port.count < min(few, q.port.count)-1 {
			t.Errorf("service %d has %d flows left of %d, and the one with the flood %d", i, o.port.count, few, q.port.count)
		}
	}
	if q.flows() > limit {
		t.Errorf("%d flows, want %d", q.flows(), limit)
	}
	for _, o := range others { // below what the flood has
		o.reply(old[o], s, o.ask(old[o], s, "question"), "answer")
	}
}

// TestOwnFlowsStay: other services cannot take a service's own places.
func TestOwnFlowsStay(t *testing.T) {
	const limit = 40
	q := newFixture(t, "127.0.0.1", limit).first()
	s, sink := q.socket("127.0.0.1"), q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(sink)))
	o := q.also(addrOf(s))
	var clients []*net.UDPConn
	for range limit / 4 {
		c := o.client()
		o.reply(c, s, o.ask(c, s, "question"), "answer")
		clients = append(clients, c)
	}
	q.Pass(10 * time.Second)
	flood := q.senders()
	for range 10 {
		flood.send(batchSize)
		q.Worker.Iterate(0)
		q.Pass(time.Second)
	}
	if o.port.count != len(clients) || q.port.count != limit-len(clients) {
		t.Errorf("%d flows and %d of the flood, want %d and the rest", o.port.count, q.port.count, len(clients))
	}
}
