//go:build kernel

package table_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A comparison is one service in the kernel and in the books.
type comparison struct {
	*fixture
	name  string
	six   bool
	full  dataplane.VirtualService // with all real servers, at their first weights
	now   dataplane.VirtualService
	books *table.Service
	open  []held
	story []string // since the beginning
}

// held is a flow that is open on both sides.
type held struct {
	flow  flow
	claim table.Claim
}

// duels are what is compared. Weights are those of the first real servers;
// an upper threshold holds for each of them.
var duels = []struct {
	scheduler string
	flags     []string
	weights   []int
	upper     uint32
	six       bool
	persist   int // prefix length, 0: no persistence
}{
	{scheduler: "rr", weights: []int{1, 1, 1, 1}},
	{scheduler: "rr", weights: []int{1, 1, 1}, upper: 12},
	{scheduler: "wrr", weights: []int{4, 2, 6, 2}},
	{scheduler: "wrr", weights: []int{5, 3, 1, 0}},
	{scheduler: "wrr", weights: []int{3, 2, 1}, upper: 12},
	{scheduler: "rr", weights: []int{1, 1, 1, 1}, persist: 24},
	{scheduler: "wlc", weights: []int{4, 2, 6, 3}, upper: 25, persist: 120, six: true},
	{scheduler: "lc", weights: []int{1, 5, 1, 2}},
	{scheduler: "wlc", weights: []int{4, 2, 6, 3}},
	{scheduler: "sed", weights: []int{4, 2, 6, 3}},
	{scheduler: "nq", weights: []int{10, 2, 1, 3}},
	{scheduler: "fo", weights: []int{2, 7, 7, 1}, upper: 12},
	{scheduler: "ovf", weights: []int{10, 15, 15, 5}},
	{scheduler: "lblc", weights: []int{5, 10, 20, 5}},
	{scheduler: "lblcr", weights: []int{5, 10, 20, 5}},
	{scheduler: "dh", weights: []int{1, 2, 3, 4}},
	{scheduler: "dh", weights: []int{1, 2, 3, 4}, six: true},
	{scheduler: "sh", weights: []int{50, 7, 80, 1}},
	{scheduler: "sh", weights: []int{5, 7, 80, 1}, flags: []string{"sh-port"}, six: true},
	{scheduler: "mh", weights: []int{5, 1, 3, 2}},
	{scheduler: "mh", weights: []int{300, 1000, 7, 50}, flags: []string{"mh-port"}},
	{scheduler: "mh", weights: []int{5, 1, 3, 2}, flags: []string{"flag-2"}, upper: 12, six: true},
}

// TestKernelChoosesAlike has the kernel and the books decide about the same
// arrivals, while connections end and real servers change, leave and return.
func TestKernelChoosesAlike(t *testing.T) {
	p := newFixture(t)
	var all []*comparison
	for i, d := range duels {
		v := dataplane.VirtualService{
			ID:        dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.AddrPortFrom(vips[d.six], uint16(1000+i))},
			Scheduler: d.scheduler, SchedFlags: d.flags,
		}
		if d.persist > 0 {
			v.Persistent, v.PersistentBits = time.Hour, d.persist
		}
		all = append(all, p.compare(v, d.weights, d.upper))
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	rounds, port := 12, uint16(1024)
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		for range 3 {
			p.arrive(rng, all, &port, 6)
			for _, d := range all {
				d.change(rng)
			}
		}
		p.arrive(rng, all, &port, 6)
		p.leave(rng, all)
	}
}

// compare begins a comparison, with all real servers.
func (p *fixture) compare(v dataplane.VirtualService, weights []int, upper uint32) *comparison {
	six := v.ID.Addr.Addr().Is6()
	for j, w := range weights {
		a := netip.AddrFrom4([4]byte{10, 3, 0, byte('A' + j)})
		if six {
			a = netip.AddrFrom16([16]byte{0xfd, 0, 0, 3, 15: byte('A' + j)})
		}
		v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: netip.AddrPortFrom(a, v.ID.Addr.Port()), Weight: w, Upper: upper})
	}
	d := &comparison{fixture: p, name: fmt.Sprintf("%v %s %v %v upper %d persistent /%d", v.ID, v.Scheduler, v.SchedFlags, weights, upper, v.PersistentBits), six: six, full: v}
	d.now = p.apply(v)
	d.books = table.New(d.now)
	return d
}

// arrive opens n flows in each comparison.
func (p *fixture) arrive(rng *rand.Rand, all []*comparison, port *uint16, n int) {
	p.Helper()
	var flows []flow
	for _, d := range all {
		for range n {
			*port++
			flows = append(flows, flow{netip.AddrPortFrom(d.anybody(rng), *port), d.full.ID.Addr})
		}
	}
	kernel := p.send(flows, syn, ack)
	for i, f := range flows {
		all[i/n].compare(f, kernel[f].Server)
	}
}

// anybody returns one of the clients' addresses.
func (d *comparison) anybody(rng *rand.Rand) netip.Addr {
	b := clients[d.six].Addr().AsSlice()
	b[len(b)-1], b[len(b)-2] = byte(rng.Uint32()), byte(rng.Uint32())
	switch {
	case d.full.Persistent > 0:
		b[len(b)-2] &= 15 // for many of one network
	case d.six:
		b[5] = byte(rng.Uint32())
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// compare asks the books about a flow that the kernel has decided about.
func (d *comparison) compare(f flow, kernel netip.AddrPort) {
	d.Helper()
	c, ok := d.books.Pick(f.client, nil)
	if got := name(kernel); ok != kernel.IsValid() || ok && c.Addr() != kernel {
		books := "-"
		if ok {
			books = name(c.Addr())
		}
		d.Fatalf("%s: %v goes to %s in the books and to %s in the kernel after\n%v\nwith %+v", d.name, f.client, books, got, d.story, d.books.Status().Servers)
	}
	d.story = append(d.story, name(kernel))
	if ok {
		d.open = append(d.open, held{f, c})
	}
}

func name(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	b := a.Addr().AsSlice()
	return string(rune(b[len(b)-1]))
}

// leave ends about half of the flows, but for those to real servers that were
// removed, which the kernel does not look at until they are back.
func (p *fixture) leave(rng *rand.Rand, all []*comparison) {
	p.Helper()
	var flows []flow
	for _, d := range all {
		var stay []held
		for _, h := range d.open {
			if h.claim.Removed() || rng.IntN(2) == 0 {
				stay = append(stay, h)
				continue
			}
			flows = append(flows, h.flow)
			h.claim.Done()
		}
		d.open = stay
		d.story = append(d.story, fmt.Sprintf("(%d stay)", len(stay)))
	}
	p.end(flows)
}

// change changes one real server on both sides.
func (d *comparison) change(rng *rand.Rand) {
	d.Helper()
	next := d.now.Clone()
	spec := d.full.RealServers[rng.IntN(len(d.full.RealServers))]
	at := -1
	for i, rs := range next.RealServers {
		if rs.Addr == spec.Addr {
			at = i
		}
	}
	switch what := rng.IntN(4); {
	case at < 0:
		d.story = append(d.story, "+"+name(spec.Addr))
		next.RealServers = append([]dataplane.RealServer{spec}, next.RealServers...)
	case what == 0 && len(next.RealServers) > 1 && d.full.Scheduler != "lblcr":
		// lblcr of the kernel remembers servers that were removed.
		d.story = append(d.story, "-"+name(spec.Addr))
		next.RealServers = append(next.RealServers[:at], next.RealServers[at+1:]...)
	case what == 1 && d.full.Scheduler != "dh":
		// dh of the kernel refuses the clients of a quiescent server.
		d.story = append(d.story, "0"+name(spec.Addr))
		next.RealServers[at].Weight = 0
	case what == 2:
		w := 1 + rng.IntN(10)
		d.story = append(d.story, fmt.Sprint(name(spec.Addr), "=", w))
		next.RealServers[at].Weight = w
	}
	if next.Equal(d.now) {
		return
	}
	d.now = d.apply(next)
	d.books.Update(d.now)
}

// TestKernelReturnsPersistentClients: persistent clients of removed servers
// return before and after these do.
func TestKernelReturnsPersistentClients(t *testing.T) {
	p := newFixture(t)
	d := p.compare(dataplane.VirtualService{
		ID:        dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.AddrPortFrom(vips[false], 1000)},
		Scheduler: "rr", Persistent: time.Hour, PersistentBits: 32,
	}, []int{1, 1, 1}, 0)
	port := uint16(1024)
	visit := func(clients ...byte) {
		var flows []flow
		for _, c := range clients {
			port++
			flows = append(flows, flow{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 1, c}), port), d.full.ID.Addr})
		}
		kernel := p.send(flows, syn, ack)
		for _, f := range flows {
			d.compare(f, kernel[f].Server)
		}
	}
	serve := func(servers ...dataplane.RealServer) {
		d.now.RealServers = servers
		d.now = d.apply(d.now)
		d.books.Update(d.now)
	}
	all := d.full.RealServers
	visit(1, 2, 3, 4, 5, 6)
	serve(all[1:]...)
	visit(1, 2)
	serve(all...)
	visit(4, 1, 2, 3, 5, 6)
	p.leave(rand.New(rand.NewPCG(1, 1)), []*comparison{d})
	serve(all[:1]...)
	serve(all...)
	visit(6, 5, 4, 3, 2, 1)
}
