package director

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// gateService is a service of gate servers that are checked by their VIP.
func gateService(addr string, reals ...string) config.Virtual {
	v := virtual(addr, reals...)
	v.CheckPath = config.CheckPathVIP
	for i := range v.Reals {
		v.Reals[i].Forward = dataplane.Gate
	}
	return v
}

// Real servers of tcp services by gate or ipip have paths, each one of its own
// mark, which it keeps when others come or go; two services share those that lead
// to the same.
func TestPathsOf(t *testing.T) {
	one, two := gateService(vip, rs1, rs2, rs3), gateService("10.0.0.101:80", rs2, rs1)
	masq := gateService("10.0.0.102:80", rs4)
	masq.Reals[0].Forward = dataplane.Masq
	udp, off, port0 := gateService("10.0.0.103:80", rs4), gateService("10.0.0.104:80", rs4), gateService("10.0.0.105:0", rs4)
	udp.ID.Protocol, off.CheckType = dataplane.UDP, config.CheckOff
	all := pathsOf(conf(one, two, masq, udp, off, port0))
	marks := map[uint32]bool{}
	for _, p := range all.list() {
		marks[p.Mark] = dataplane.IsPathMark(p.Mark)
	}
	if len(all) != 3 || len(marks) != 3 {
		t.Errorf("paths %v, want one for each of three servers", all.list())
	}
	few := pathsOf(conf(two))
	for key, p := range few {
		if all[key] != p {
			t.Errorf("the path %v is %v among more", p, all[key])
		}
	}
	c := newCluster(&effectLog{}, quiet())
	c.configure(t0, conf(one, two), nil)
	if n := len(c.checkedBy); n != 5 {
		t.Errorf("%d probes, want one for each server of each VIP: 5", n)
	}
	for id := range c.checkedBy {
		if id.Path().Mark == 0 || !id.Path().VIP.IsValid() {
			t.Errorf("probe without a path: %+v", id)
		}
	}

	// Another process has the same ones, and takes these over.
	if got := all.list()[0].Mark; got != 0x53483116 {
		t.Errorf("the first mark is %#x, want 0x53483116 in every process", got)
	}

	many := gateService(vip)
	for i := range dataplane.MaxPaths + 10 {
		r := realServer(rs1)
		r.Addr, r.Forward = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 80), dataplane.IPIP
		many.Reals = append(many.Reals, r)
	}
	seen := map[uint32]bool{}
	for _, p := range pathsOf(conf(many)).list() {
		if seen[p.Mark] || !dataplane.IsPathMark(p.Mark) {
			t.Fatalf("mark %#x is there twice, or no mark of a path", p.Mark)
		}
		seen[p.Mark] = true
	}
	if len(seen) != dataplane.MaxPaths {
		t.Errorf("%d marks, want all %d", len(seen), dataplane.MaxPaths)
	}
}

// recordedPaths keeps the paths that are set.
type recordedPaths struct {
	*plane
	mu    sync.Mutex
	calls [][]dataplane.Path
}

func (p *recordedPaths) SetPaths(_ context.Context, paths []dataplane.Path) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, slices.Clone(paths))
	return nil
}

// sizes are how many paths there were in each call, since the last.
func (p *recordedPaths) sizes() (sizes []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		sizes = append(sizes, len(c))
	}
	p.calls = nil
	return sizes
}

// Paths are set before the first check, old and new ones before a reload and new
// ones after it, again from time to time, and none at a stop.
func TestPathsAreSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFixture(t, conf(gateService(vip, rs1, rs2)))
		p := &recordedPaths{plane: r.plane}
		r.o.Dataplane = p
		for _, a := range []string{rs1, rs2, rs3} {
			r.farm.set(a, "broken") // nothing follows a check that fails
		}
		r.start()
		want := func(what string, sizes ...int) {
			t.Helper()
			if got := p.sizes(); !slices.Equal(got, sizes) {
				t.Errorf("%s: paths set %v, want %v", what, got, sizes)
			}
		}
		want("start", 2)
		r.edit("next", conf(gateService(vip, rs2, rs3)), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("reload", 3, 2)
		time.Sleep(pathsPeriod + time.Second)
		want("later", 2)
		r.stop()
		want("stop", 0)
	})
}

// Checks by hand have paths of their own marks, which those that lead to the same
// share.
func TestTrialPaths(t *testing.T) {
	one, two := gateService(vip, rs1, rs2), gateService("10.0.0.101:80", rs2)
	two.CheckType, two.CombinedN = config.CheckCombined, 3 // two checks of each
	tunnel := gateService("10.0.0.102:80", rs3, rs4)
	tunnel.Reals[0].Forward, tunnel.Reals[1].Forward = dataplane.IPIP, dataplane.Masq
	all := Trials(conf(one, two, tunnel))
	all[0].NotByVIP = "for a reason"
	list := TrialPaths(all)
	if len(list) != 2 || list[0].Server.Addr.String() != rs2 || list[1].Server.Forward != dataplane.IPIP {
		t.Errorf("paths %v, want those to rs2 and rs3", list)
	}
	var marks []uint32
	for _, tr := range all {
		marks = append(marks, tr.Path.Mark)
	}
	a, b := list[0].Mark, list[1].Mark
	if want := []uint32{0, a, a, a, b, 0}; !slices.Equal(marks, want) || !dataplane.IsTrialMark(a) || !dataplane.IsTrialMark(b) || dataplane.IsPathMark(a) {
		t.Errorf("marks %x, want %x", marks, want)
	}
	if p := all[4].Path; !p.Tunnel || p.Wrap != 20 || p.VIP.String() != "10.0.0.102:80" || all[5].Path.VIP.IsValid() {
		t.Errorf("paths of checks are %+v and %+v", p, all[5].Path)
	}
}
