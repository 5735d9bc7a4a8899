package dgram

import (
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
)

// A flow to a server that is cut ends, and the client's next datagram goes to
// another.
func TestCutFlows(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	s, other := q.socket("127.0.0.1"), q.socket("127.0.0.1")
	v := spec(addrOf(s))
	q.service.Books.Update(v)
	c := q.client()
	q.ask(c, s, "one")
	v.RealServers[0].Weight = 0
	v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addrOf(other), Weight: 1})
	v.Cut = []netip.AddrPort{addrOf(s)}
	q.service.Books.Update(v)
	done := make(chan struct{}, 1)
	q.Worker.Stepwise(q.h.cutting(q.service), done)
	q.Worker.Iterate(0)
	<-done
	if n := q.flows(); n != 0 {
		t.Errorf("%d flows are left, want none", n)
	}
	q.ask(c, other, "two")
	if st := q.service.Books.Status(); st.Counters.Cut != 1 || st.Servers[0].Counters.Cut != 1 || st.Servers[0].Counters.InPackets != 1 {
		t.Errorf("books %+v, want one flow that is cut, with its datagram", st)
	}
}
