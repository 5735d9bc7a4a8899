package ipvs

import (
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// totals turn the kernel's counters into counters that only grow. The kernel's
// begin at 0 with each service and each real server that is added, unless it still
// has a real server of that address from before: then they go on. Traffic of a
// removed one after the last reading is lost.
type totals struct {
	service total
	servers map[netip.AddrPort]*total
}

func newTotals() totals { return totals{servers: map[netip.AddrPort]*total{}} }

// A total is one set of counters that only grow.
type total struct {
	before dataplane.Counters // before the kernel's last began at 0
	latest dataplane.Counters // by the kernel
}

// add adds a reading of the kernel's counters and returns the total.
func (t *total) add(read dataplane.Counters) dataplane.Counters {
	if fallen(read, t.latest) {
		t.end()
	}
	t.latest = read
	return t.before.Add(read)
}

// end notes that the kernel's counters begin at 0 again.
func (t *total) end() { t.before, t.latest = t.before.Add(t.latest), dataplane.Counters{} }

// fallen reports whether the kernel's counters have begun at 0 between two
// readings. All of them do at once.
func fallen(now, before dataplane.Counters) bool {
	return now.Connections < before.Connections ||
		now.InPackets < before.InPackets || now.OutPackets < before.OutPackets ||
		now.InBytes < before.InBytes || now.OutBytes < before.OutBytes
}

// record adds the readings of a service and replaces them by the totals.
func (l *totals) record(e *entry) {
	e.counters = l.service.add(e.counters)
	for i := range e.servers {
		s := &e.servers[i]
		t := l.servers[s.addr]
		if t == nil {
			t = &total{}
			l.servers[s.addr] = t
		}
		s.counters = t.add(s.counters)
	}
}

// returns reports whether one of steps adds a real server that had counters before.
// They have to be read before its first client, to learn whether the kernel goes on
// with them.
func (l *totals) returns(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool {
		t := l.servers[s.server.addr]
		return s.verb == addServer && t != nil && t.latest != dataplane.Counters{}
	})
}

// left returns the real servers that are not in e and have counters.
func (l *totals) left(e entry) (left []dataplane.ServerStatus) {
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
