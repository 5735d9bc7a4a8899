package bench

import (
	"net/netip"
	"os"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/dataplane"
)

// A testbed makes labs, and subjects and clusters in them, as its options say.
type testbed struct {
	Options
	processors lab.Processors
	dir        string // for the files of subjects
	emulated   bool   // the machine is, and slow
}

// cheapest is the topology of a steady load, the same for all subjects: IPVS
// needs links between its clients and its real servers.
func (t *testbed) cheapest() lab.Topology {
	for _, s := range t.Subjects {
		if s.Kernel {
			return lab.Routed
		}
	}
	return lab.Loopback
}

func (t *testbed) lab(topology lab.Topology) (*lab.Lab, error) {
	f, _ := forward(t.Forward) // looked at by New
	return lab.New(lab.Options{
		Topology: topology, RealServers: len(t.Weights), IPv6: t.IPv6, Forward: f,
		MTU: t.MTU, Delay: t.Delay, Loss: t.Loss, Processors: t.processors,
	})
}

// setting returns what a subject has to do for a work, without a place.
func (t *testbed) setting(w *work) subject.Setting {
	f, _ := forward(t.Forward) // looked at by New
	set := subject.Setting{
		Processors: t.processors.Director, Shunt: t.Shunt, Scheduler: t.Scheduler, Forward: f,
		Protocol: "tcp",
	}
	for _, c := range w.all() {
		set.Bulk = set.Bulk || c.Kind == load.Bulk
		set.Hold += max(c.Connections, c.Flows)
	}
	if w.client.Kind == load.Datagrams {
		set.Protocol = "udp"
	}
	return set
}

// place gives a setting its place.
func (t *testbed) place(set *subject.Setting, l *lab.Lab) (err error) {
	set.In = l.Director
	set.VIP = netip.AddrPortFrom(l.VIP(), servicePort)
	for i, weight := range t.Weights {
		set.Reals = append(set.Reals, subject.Real{Addr: t.realAddr(l, i), Weight: weight})
	}
	set.Dir, err = os.MkdirTemp(t.dir, "")
	return err
}

// realAddr returns where real server i listens. Only masq
// rewrites the port of the service.
func (t *testbed) realAddr(l *lab.Lab, i int) netip.AddrPort {
	if t.Forward != dataplane.Masq.String() {
		return netip.AddrPortFrom(l.RealAddr(i), servicePort)
	}
	return netip.AddrPortFrom(l.RealAddr(i), realPort)
}
