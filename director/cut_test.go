package director

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// cutting is a service of two servers whose connections are cut when they go
// down.
func cutting(reals ...string) config.Virtual {
	v := virtual(vip, reals...)
	v.OnDown = "cut"
	return v
}

// wantCut checks what is cut in the only service, and that it comes out the
// same each time.
func (r *replay) wantCut(event string, want ...string) {
	r.t.Helper()
	var got []string
	w := r.c.services[0].wanted()
	for _, a := range w.Cut {
		got = append(got, a.String())
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: cut %s, want %s", event, strings.Join(got, " "), strings.Join(want, " "))
	}
	if !w.Equal(r.c.services[0].wanted()) {
		r.t.Errorf("%s: what is wanted is not equal to itself", event)
	}
}

func TestOnDownCut(t *testing.T) {
	for _, quiescent := range []bool{false, true} {
		v := cutting(rs2, rs1)
		v.Quiescent = quiescent
		r := newReplay(t, conf(v))
		r.wantCut("nobody knows yet")
		r.result(rs1, nil)
		r.result(rs2, nil)
		r.wantCut("both are up")
		r.result(rs1, errBad)
		r.wantCut("one is down", rs1)
		r.result(rs2, errBad)
		r.wantCut("both are down", rs1, rs2)
		r.result(rs1, nil)
		r.wantCut("one is back", rs2)
	}
}

func TestOnDownKeep(t *testing.T) {
	v := cutting(rs1)
	v.OnDown = "keep"
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs1, errBad)
	r.wantCut("down")
}

func nobodyConnects(*config.Virtual) bool { return false }

// Connections stay to servers that the operator takes out, that a reload removes, or
// that the service uses all the same.
func TestOnDownSpares(t *testing.T) {
	r := newReplay(t, conf(cutting(rs1, rs2)))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.c.services[0].servers[0].maintenance = "a file"
	r.wantCut("maintenance")
	r.result(rs2, errBad)
	r.c.configure(r.now, conf(cutting(rs1)), nil)
	r.wantCut("one has left the file, the other has not been checked since maintenance")

	v := cutting(rs1)
	v.RiseCount = 2
	r = newReplay(t, conf(v))
	r.result(rs1, nil)
	r.wantCut("half way up")
	r.result(rs1, errBad)
	r.result(rs1, nil)
	r.wantCut("down, and half way up", rs1)

	v = cutting(rs1)
	v.Fallback = fallback(rs1)
	r = newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs1, errBad)
	r.wantCut("it is the fallback too")

	// Two entries with one address: with direct routing the port does not tell
	// them apart.
	v = cutting(rs1, strings.Replace(rs1, ":80", ":81", 1)+" 0")
	for i := range v.Reals {
		v.Reals[i].Forward = dataplane.Gate
	}
	r = newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(v.Reals[1].Addr.String(), nil)
	r.result(rs1, errBad)
	r.wantCut("the other entry is up")
	r.result(v.Reals[1].Addr.String(), errBad)
	r.wantCut("both entries are down", rs1)

	off := cutting(rs1)
	off.CheckType = config.CheckOff
	newReplay(t, conf(off)).wantCut("nobody checks")
}

func TestOptions(t *testing.T) {
	v := virtual(vip, rs1)
	v.QueueTimeout, v.MaxQueue, v.KeepAlive, v.UserTimeout = time.Second, 7, time.Minute, time.Hour
	v.Reals[0].MaxConn = 9
	w := Everything(&v)
	want := dataplane.Options{QueueTimeout: time.Second, MaxQueue: 7, KeepAlive: time.Minute, UserTimeout: time.Hour}
	if w.Options != want || w.RealServers[0].MaxConn != 9 {
		t.Errorf("wanted %+v and %d connections", w.Options, w.RealServers[0].MaxConn)
	}
}

// The problem is at the line of the real server if no line has maxconn alone.
func TestValidateFindsMaxConn(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.Pos.Line, v.Reals[1].Pos.Line, v.Reals[1].MaxConn = 1, 3, 9
	limits := func(*config.Virtual, dataplane.VirtualService) []*dataplane.Limit {
		return []*dataplane.Limit{{Directive: "maxconn", Reason: "no"}}
	}
	if ps := Validate(conf(v), limits, nobodyConnects); len(ps) != 1 || ps[0].Pos.Line != 3 {
		t.Errorf("problems: %v", ps)
	}
	v.MaxConn = 9
	v.Origins = config.Origins{"maxconn": {Pos: config.Pos{Line: 2}}}
	if ps := Validate(conf(v), limits, nobodyConnects); len(ps) != 1 || ps[0].Pos.Line != 2 {
		t.Errorf("problems: %v", ps)
	}
}

// A dataplane that does not cut connections can refuse the directive at validation.
func TestValidateSeesWhatIsCut(t *testing.T) {
	v := cutting(rs2, rs1)
	limits := func(_ *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
		if slices.Equal(s.Cut, []netip.AddrPort{netip.MustParseAddrPort(rs1), netip.MustParseAddrPort(rs2)}) {
			return []*dataplane.Limit{{Directive: "ondown", Reason: "no"}}
		}
		return nil
	}
	v.Origins = config.Origins{"ondown": {Pos: config.Pos{Line: 3}}}
	ps := Validate(conf(v), limits, nobodyConnects)
	if len(ps) != 1 || ps[0].Pos.Line != 3 {
		t.Errorf("problems: %v", ps)
	}
	v.OnDown = "keep"
	if ps = Validate(conf(v), limits, nobodyConnects); len(ps) > 0 {
		t.Errorf("problems: %v", errors.Join(ps))
	}
}
