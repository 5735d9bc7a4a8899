package dataplanetest

import (
	"context"
	"errors"
	"net"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/dataplane"
)

var applying = []promise{
	{"apply/serves", "Apply makes the dataplane serve what it is given", applyServes},
	{"apply/equal writes nothing", "applying an equal service again writes nothing", applyEqual},
	{"apply/in place", "Apply changes a service in place and connections keep their real server", applyInPlace},
	{"apply/keeps no reference", "the dataplane keeps no reference to the slices it was given", applyKeepsNoReference},
	{"apply/cancelled", "an Apply that was cancelled can be done again", applyCancelled},
	{"apply/after failure", "an Apply that failed can be done again", applyAfterFailure},
	{"apply/no real server", "a service whose real servers take nothing refuses", applyEmpty},
}

func applyServes(s *fixture) {
	p, q := s.tcpService("rr", 1), s.tcpService("rr", absent, 1)
	p.apply()
	q.apply()
	p.takes("one real server", 0, "aa")
	q.takes("a second service", 0, "bb")
}

func applyEqual(s *fixture) {
	w, ok := s.dp.(interface{ Writes() uint64 })
	if !ok {
		return // it does not tell
	}
	before := w.Writes()
	p := s.tcpService("wrr", 2, 1)
	p.apply()
	if w.Writes() == before {
		s.Fatal("Writes does not count: a new service was applied without any")
	}
	c := p.held(0)
	before = w.Writes()
	for range 3 {
		s.check("Apply the same again", s.dp.Apply(s.Context(), p.want.Clone()))
	}
	if n := w.Writes() - before; n > 0 {
		s.Errorf("%d writes for three services equal to what is in force, want 0", n)
	}
	c.alive("after the same was applied again")
}

func applyInPlace(s *fixture) {
	p := s.tcpService("rr", 1, 1, 1)
	p.apply()
	held := p.held(0)
	for _, step := range []struct {
		what      string
		scheduler string
		weights   []int
	}{
		{"another scheduler", "wrr", []int{1, 1, 1}},
		{"other weights", "wrr", []int{3, 2, 1}},
		{"a real server less", "wrr", []int{3, absent, 1}},
		{"and back", "wrr", []int{3, 2, 1}},
		{"another scheduler and a real server less", "lc", []int{1, 1, absent}},
	} {
		p.want.Scheduler = step.scheduler
		p.weigh(step.weights...)
		p.shows(step.what)
		held.alive(step.what)
	}
}

// shows checks that Snapshot says what was applied.
func (p *service) shows(when string) {
	p.Helper()
	st := p.own()
	if st.Service.Scheduler != p.want.Scheduler {
		p.Errorf("%s: Snapshot has scheduler %s, want %s", when, st.Service.Scheduler, p.want.Scheduler)
	}
	if diff := cmp.Diff(names(p.want.RealServers), names(st.Service.RealServers)); diff != "" {
		p.Errorf("%s: Snapshot's real servers (-want +got):\n%s", when, diff)
	}
	var servers []dataplane.RealServer
	for _, srv := range st.Servers {
		servers = append(servers, srv.RealServer)
	}
	if diff := cmp.Diff(names(p.want.RealServers), names(servers)); diff != "" {
		p.Errorf("%s: Snapshot's servers (-want +got):\n%s", when, diff)
	}
}

// names maps real servers to their weights: a dataplane need not remember the
// order.
func names(servers []dataplane.RealServer) map[string]int {
	m := map[string]int{}
	for _, r := range servers {
		m[r.Addr.String()] = r.Weight
	}
	return m
}

func applyKeepsNoReference(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	given := p.want.Clone()
	s.check("Apply", s.dp.Apply(s.Context(), given))
	slices.Reverse(given.RealServers)
	given.RealServers[0].Weight = 0
	given.RealServers[1].Weight = 0
	p.shows("after the caller has reused its slice")
	p.takes("after the caller has reused its slice", 0, "abab")

	st := p.own()
	st.Service.RealServers[0].Weight = 77
	st.Servers[0].Weight = 77
	p.shows("after the caller has written into its snapshot")
}

func applyCancelled(s *fixture) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	p := s.tcpService("rr", 1, 1)
	for _, weights := range [][]int{{1, 1}, {0, 1}, {1, absent}} {
		p.configure(weights...)
		// Whether it was too quick to be stopped is its own business.
		if err := s.dp.Apply(ctx, p.want); err != nil && !errors.Is(err, context.Canceled) {
			s.Errorf("Apply with a cancelled context: %v, want %v or nothing", err, context.Canceled)
		}
		p.apply()
		p.shows("applied again")
	}
	p.takes("applied again", 0, "aa")
}

func applyAfterFailure(s *fixture) {
	p := s.tcpService("rr", 1)
	var squatter net.Listener
	s.check("take the service's port first", s.lab.Director.do(func() (err error) {
		squatter, err = net.Listen("tcp", p.vip.String())
		return err
	}))
	err := s.dp.Apply(s.Context(), p.want)
	_ = squatter.Close()
	if err != nil {
		var op *dataplane.OpError
		if !errors.As(err, &op) || op.Service != p.want.ID {
			s.Errorf("Apply on a port that is taken: %v, want an OpError that names the service", err)
		}
	}
	p.apply()
	p.takes("after the port was given back", 0, "aa")
}

func applyEmpty(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	for _, c := range []struct {
		when    string
		weights []int
	}{
		{"no real server configured", nil},
		{"all real servers have weight 0", []int{0, 0}},
	} {
		p.weigh(c.weights...)
		p.refuses(c.when)
		p.weigh(absent, 1)
		p.takes("a real server has come", 0, "b")
	}
}
