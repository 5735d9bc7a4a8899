package ipvs

import (
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// A ledger makes counters that only grow of those of the kernel, which begin
// anew with each service and each real server that is added, unless the kernel
// still has a real server of that address from before: then they go on. What
// the kernel has counted after it was last read, for what goes, is lost.
type ledger struct {
	service tally
	servers map[netip.AddrPort]*tally
}

func newLedger() ledger { return ledger{servers: map[netip.AddrPort]*tally{}} }

// A tally is one set of counters.
type tally struct {
	before dataplane.Counters // of all that ended
	latest dataplane.Counters // as the kernel has it
}

// take takes in what was read and returns the whole.
func (t *tally) take(read dataplane.Counters) dataplane.Counters {
	if fallen(read, t.latest) {
		t.end()
	}
	t.latest = read
	return t.before.Add(read)
}

// end says that the kernel begins anew.
func (t *tally) end() { t.before, t.latest = t.before.Add(t.latest), dataplane.Counters{} }

// fallen reports whether the kernel has begun anew between two readings. It does
// with all its counters at once.
func fallen(now, before dataplane.Counters) bool {
	return now.Connections < before.Connections ||
		now.InPackets < before.InPackets || now.OutPackets < before.OutPackets ||
		now.InBytes < before.InBytes || now.OutBytes < before.OutBytes
}

// take takes in a service that was just read, and puts the whole into it.
func (l *ledger) take(e *entry) {
	e.counters = l.service.take(e.counters)
	for i := range e.servers {
		s := &e.servers[i]
		t := l.servers[s.addr]
		if t == nil {
			t = &tally{}
			l.servers[s.addr] = t
		}
		s.counters = t.take(s.counters)
	}
}

// returns reports whether one of steps brings a real server that has been
// counted for: whether the kernel goes on with it shows before the first client.
func (l *ledger) returns(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool {
		t := l.servers[s.server.addr]
		return s.verb == addServer && t != nil && t.latest != dataplane.Counters{}
	})
}

// left are the real servers that are not in e, with what there was to count.
func (l *ledger) left(e entry) (left []dataplane.ServerStatus) {
	there := make(map[netip.AddrPort]bool, len(e.servers))
	for i := range e.servers {
		there[e.servers[i].addr] = true
	}
	for addr, t := range l.servers {
		if c := t.before.Add(t.latest); !there[addr] && c != (dataplane.Counters{}) {
			left = append(left, dataplane.ServerStatus{RealServer: dataplane.RealServer{Addr: addr}, Counters: c})
		}
	}
	slices.SortFunc(left, func(a, b dataplane.ServerStatus) int { return a.Addr.Compare(b.Addr) })
	return left
}
