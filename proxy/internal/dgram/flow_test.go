package dgram

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A flow is over when nothing has moved for as long as the service says, not
// before, and the worker then has nothing to wait for.
func TestFlowExpires(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	if rest := q.Worker.Rest(); rest != -1 {
		t.Errorf("without flows the worker rests for %d ms, want for ever", rest)
	}
	c := q.client()
	for range 3 {
		from := q.ask(c, s, "question")
		q.Pass(time.Minute - engine.TickLength)
		q.reply(c, s, from, "late answer")
		q.Pass(time.Minute - engine.TickLength)
	}
	if q.flows() != 1 {
		t.Fatalf("%d flows a tick before their time, want 1", q.flows())
	}
	q.Pass(3 * engine.TickLength)
	if q.flows() != 0 {
		t.Errorf("%d flows after their time, want none", q.flows())
	}
	q.Until("nothing to wait for", func() bool { return q.Worker.Rest() == -1 })
	if got := q.service.Books.Status().Counters; got.Connections != 1 || got.InPackets != 3 || got.OutPackets != 3 {
		t.Errorf("counted %+v, want one connection with three datagrams each way", got)
	}
}

// A shorter idle timeout is in force for flows that exist.
func TestFlowExpiryChanges(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	q.ask(q.client(), s, "question")
	q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: 2 * time.Second}})
	q.Pass(10*time.Second + 2*engine.TickLength)
	if q.flows() != 0 {
		t.Errorf("%d flows, want none", q.flows())
	}
}

// TestEvictionOrder: the lowest class is evicted first, and in it the flow that has
// been silent longest.
func TestEvictionOrder(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 5)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	names := map[string]*net.UDPConn{}
	begin := func(name string, rounds int) {
		c := q.client()
		names[name] = c
		from := q.ask(c, s, "question")
		for range rounds {
			q.reply(c, s, from, "answer")
			q.ask(c, s, "another")
		}
		q.Pass(2 * engine.TickLength)
	}
	answer := func(name string) {
		c := q.client()
		names[name] = c
		q.reply(c, s, q.ask(c, s, "question"), "answer")
		q.Pass(2 * engine.TickLength)
	}
	begin("assured 1", 2)
	answer("answered 1")
	begin("unanswered 1", 0)
	answer("answered 2")
	begin("unanswered 2", 0)
	there := func(name string) bool {
		a := addrOf(names[name])
		found := false
		for i := range q.h.flows.slots.Size() {
			f := q.h.flows.at(i)
			found = found || f.fd != engine.None && q.h.name(&f.origin) == a
		}
		return found
	}
	newcomer := 0
	for _, gone := range []string{"unanswered 1", "unanswered 2", "answered 1", "answered 2", "assured 1"} {
		q.Pass(2 * time.Second)
		for name := range names { // newcomers are at work
			if len(name) > 3 && name[:3] == "new" {
				_, err := names[name].Write([]byte("x"))
				q.Must(err)
				q.read(s)
			}
		}
		if !there(gone) {
			t.Errorf("%s has gone too early", gone)
		}
		newcomer++
		begin(fmt.Sprint("new", newcomer), 1)
		if there(gone) {
			t.Errorf("%s is still there", gone)
		}
	}
	if n := q.fwd.Evictions(); n != 5 {
		t.Errorf("%d evictions, want 5", n)
	}
}

// TestEvictionKeepsUnansweredFlows: a flow that waits for its answer is not evicted at once, and a
// client without a place is counted.
func TestEvictionKeepsUnansweredFlows(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 2)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	q.ask(q.client(), s, "a")
	q.ask(q.client(), s, "b")
	late := q.client()
	refused := func() uint64 { return q.service.Books.Status().Counters.Refused }
	q.write(late, []byte("c"))
	q.Until("it is refused", func() bool { return refused() == 1 })
	q.Pass(engine.TickLength)
	q.write(late, []byte("c"))
	q.Until("it is refused again", func() bool { return refused() == 2 })
	q.Pass(engine.TickLength)
	q.ask(late, s, "c")
	if q.flows() != 2 {
		t.Errorf("%d flows, want 2", q.flows())
	}
}

// Clients that have had their answer leave room for as many others as there
// may be in a moment: each query of a resolver comes from another port.
func TestEvictionOfAnsweredFlows(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 3)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	for range 20 {
		c := q.client()
		q.reply(c, s, q.ask(c, s, "question"), "answer")
	}
	if n := q.service.Books.Status().Counters.Refused; n != 0 {
		t.Errorf("%d were refused, want none", n)
	}
}

// A real server that refuses is found out whether the news come with reading
// or with sending, and what is left of the batch goes to another one.
func TestRefusal(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	dead, s := q.socket("127.0.0.1"), q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(dead), addrOf(s)))
	c := q.client()
	q.ask(c, dead, "hello")
	_ = dead.Close()
	sizes := []int{10, 20, 10, 20, 10, 20} // no run
	q.burst(c, netip.AddrPort{}, sizes)
	q.Until("something arrives", func() bool { return q.service.Books.Status().Counters.Failures == 1 })
	for _, size := range []int{20, 10, 20} { // the first two messages have brought the news
		if b, _ := q.read(s); len(b) != size {
			t.Errorf("%d bytes have gone to another real server, want %d", len(b), size)
		}
	}
	q.ask(c, s, "more")
	if q.flows() != 1 {
		t.Errorf("%d flows, want 1", q.flows())
	}
}

// Nothing is lost or mixed up when the real server is taken out between two
// batches.
func TestRemovedBetweenBatches(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	a, b := q.socket("127.0.0.1"), q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(a), addrOf(b)))
	c := q.client()
	sizes := []int{5, 5, 5, 3, 8, 8}
	q.burst(c, netip.AddrPort{}, sizes)
	q.wantBurst(a, sizes)
	q.service.Books.Update(spec(addrOf(b)))
	q.service.Changed()
	q.burst(c, netip.AddrPort{}, sizes)
	q.wantBurst(b, sizes)
}

// No descriptors is no busy loop: sockets are not tried for before the next
// tick, and flows that exist go on.
func TestNoDescriptors(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	c, late := q.client(), q.client()
	from := q.ask(c, s, "before")
	lift := enginetest.NoDescriptors(t)
	for range 5 {
		q.write(late, []byte("too late"))
	}
	q.Until("they are refused", func() bool { return q.service.Books.Status().Counters.Refused == 5 })
	if n := q.fwd.Pauses(); n != 1 {
		t.Errorf("%d pauses, want 1", n)
	}
	q.reply(c, s, from, "answer")
	q.ask(c, s, "another")
	lift()
	q.Pass(engine.TickLength)
	q.ask(late, s, "in time")
	if got := q.service.Books.Status(); got.Counters.Failures != 0 {
		t.Errorf("%d failures, want none: it is no fault of the real server", got.Counters.Failures)
	}
}
