//go:build kernel

package ipvs

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// The size that operators with many services have.
const (
	manyServices = 1000
	manyServers  = 10
)

// many are the services.
func many() []dataplane.VirtualService {
	all := make([]dataplane.VirtualService, manyServices)
	for i := range all {
		v := &all[i]
		v.ID = tcp(fmt.Sprintf("10.20.%d.%d:80", i/250, i%250+1))
		v.Scheduler = "wrr"
		for n := range manyServers {
			v.RealServers = append(v.RealServers, masq(fmt.Sprintf("10.30.%d.%d:80", i%250, n+1), n+1))
		}
	}
	return all
}

// restore is the same for ipvsadm -R.
func restore(all []dataplane.VirtualService) string {
	var b strings.Builder
	for _, v := range all {
		s := goal(v)
		e := entry{options: s.options}
		for _, srv := range s.servers {
			e.servers = append(e.servers, serverEntry{server: srv})
		}
		b.WriteString(saved(v.ID, e))
	}
	return b.String()
}

// TestMany programs many services from empty, once more, and with one change.
func TestMany(t *testing.T) {
	d := withTable(openTest(t), nil)
	all := many()
	begin := time.Now()
	applyAll(t, d, all)
	t.Logf("%d services with %d real servers each, from empty: %v", manyServices, manyServers, time.Since(begin))
	if got, want := d.Writes(), uint64(manyServices*(manyServers+2)); got != want {
		t.Errorf("%d writes, want %d", got, want)
	}

	begin = time.Now()
	before := d.Writes()
	applyAll(t, d, all)
	t.Logf("again: %v", time.Since(begin))
	all[500].RealServers[3].Weight = 0
	if got := d.Writes() - before; got > 0 {
		t.Errorf("%d writes for what is in force, want none", got)
	}
	begin = time.Now()
	must(t, d.Apply(t.Context(), all[500]))
	t.Logf("one real server quiesced: %v", time.Since(begin))
	if got := d.Writes() - before; got != 1 {
		t.Errorf("%d writes for one change, want 1", got)
	}

	begin = time.Now()
	holds(t, d, all...)
	t.Logf("read back: %v", time.Since(begin))
}

// TestManyServers: a service has more real servers than fit into one message.
func TestManyServers(t *testing.T) {
	d := withTable(openTest(t), nil)
	v := dataplane.VirtualService{ID: web, Scheduler: "wrr"}
	for i := range 3*batchSize + 1 {
		v.RealServers = append(v.RealServers, masq(fmt.Sprintf("10.30.0.%d:80", i+1), i+1))
	}
	applyAll(t, d, []dataplane.VirtualService{v})
	holds(t, d, v)
}

// ipvsadm is the path of the kernel's own tool, which has to be in the machine.
func ipvsadm(t testing.TB) string {
	t.Helper()
	return need.Program(t, "ipvsadm")
}

// saveInto has ipvsadm -R program all, in n.
func saveInto(t testing.TB, n *netlab.Namespace, path string, all []dataplane.VirtualService) {
	t.Helper()
	cmd := exec.Command(path, "-R")
	cmd.Stdin = strings.NewReader(restore(all))
	p, err := n.Start(cmd)
	must(t, err)
	must(t, p.Wait())
}

// TestOverIpvsadm: ipvsadm -R makes the same services as Apply.
func TestOverIpvsadm(t *testing.T) {
	path := ipvsadm(t)
	n := namespace(t, netlab.Test(t))
	all := many()[:20]
	d := withTable(openIn(t, n), nil)
	saveInto(t, n, path, all)
	applyAll(t, d, all)
	if w := d.Writes(); w > 0 {
		t.Errorf("%d writes over what ipvsadm -R has made, want none", w)
	}
}

// BenchmarkBesideIpvsadm programs many services from empty, in turns with
// ipvsadm -R, and reports how many times as long that takes. Each has a new
// namespace: for two minutes the kernel keeps real servers that went, and goes
// through all of them for each that comes.
func BenchmarkBesideIpvsadm(b *testing.B) {
	path, all := ipvsadm(b), many()
	turns := []func(*netlab.Namespace){
		func(n *netlab.Namespace) { applyAll(b, withTable(openIn(b, n), nil), all) },
		func(n *netlab.Namespace) { saveInto(b, n, path, all) },
	}
	var took [2]time.Duration
	for i := 0; b.Loop(); i++ {
		for t := range turns {
			who := (t + i) % len(turns)
			lab, err := netlab.New()
			must(b, err)
			n := namespace(b, lab)
			begin := time.Now()
			turns[who](n)
			took[who] += time.Since(begin)
			must(b, lab.Close())
			time.Sleep(2 * time.Second) // in which the kernel clears it away
		}
	}
	b.ReportMetric(took[0].Seconds()/float64(b.N), "own-s/op")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ipvsadm/own")
}

// applyAll applies all services.
func applyAll(t testing.TB, d *Dataplane, all []dataplane.VirtualService) {
	t.Helper()
	for _, v := range all {
		must(t, d.Apply(t.Context(), v))
	}
}

// TestSavedByIpvsadm compares what the kernel holds as ipvsadm prints it.
func TestSavedByIpvsadm(t *testing.T) {
	path := ipvsadm(t)
	n := namespace(t, netlab.Test(t))
	d := withTable(openIn(t, n), nil)
	v6 := dataplane.RealServer{Addr: netip.MustParseAddrPort("[fd00::2]:80"), Weight: 3}
	for _, v := range []dataplane.VirtualService{
		two(),
		{ID: web6, Scheduler: "sh", SchedFlags: []string{"sh-port"}, Persistent: time.Minute, PersistentBits: 64, RealServers: []dataplane.RealServer{v6}},
		{ID: udp("10.9.0.1:53"), Scheduler: "rr", OnePacket: true},
		{ID: tcp("10.9.0.2:80"), Scheduler: "wlc", Persistent: time.Hour, PersistentBits: 24},
		{ID: mark(5), Scheduler: "mh"},
		{ID: mark6(6), Scheduler: "rr"},
	} {
		must(t, d.Apply(t.Context(), v))
		e, err := d.table.read(v.ID)
		must(t, err)
		var out strings.Builder
		cmd := exec.Command(path, "-Sn")
		cmd.Stdout = &out
		p, err := n.Start(cmd)
		must(t, err)
		must(t, p.Wait())
		if got, want := out.String(), saved(v.ID, e); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("ipvsadm -Sn prints:\n%swant:\n%s", got, want)
		}
		must(t, d.Remove(t.Context(), v.ID))
	}
}
