package dgram

import (
	"testing"
	"time"
)

// A limit that has become lower holds for who comes, and flows get fewer with
// each new one.
func TestBoundLowered(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 20)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	for range 20 {
		q.ask(q.client(), s, "question")
	}
	q.fwd.Bound(Bounds{Flows: 5})
	q.Pass(time.Second)
	if q.flows() != 20 {
		t.Errorf("%d flows, want those that there were", q.flows())
	}
	for i := range 20 {
		q.ask(q.client(), s, "question")
		q.Pass(time.Second)
		if want := max(20-i-1, 5); q.flows() != want {
			t.Fatalf("%d flows after %d new ones, want %d", q.flows(), i+1, want)
		}
	}
	q.fwd.Bound(Bounds{Flows: 50})
	for range 10 {
		q.ask(q.client(), s, "question")
	}
	if q.flows() != 15 {
		t.Errorf("%d flows under a higher limit, want 15", q.flows())
	}
	if load, evicted := q.fwd.Load(), q.fwd.Evictions(); load.Used != 15 || load.Limit != 50 || evicted != 35 {
		t.Errorf("the load is %+v and %d evicted, want 15 of 50 flows and 35 evicted", load, evicted)
	}
}
