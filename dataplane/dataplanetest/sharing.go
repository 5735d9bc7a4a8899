package dataplanetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/shunt-lb/shunt/dataplane"
)

var sharing = []promise{
	{"concurrent/callers", "all methods may be called from several goroutines at once", concurrentCallers},
	{"concurrent/one service", "several callers may change the same service at once", concurrentService},
}

func concurrentCallers(s *fixture) {
	steady := s.tcpService("rr", 1)
	steady.apply()
	load := steady.load(1)
	var callers sync.WaitGroup
	for range 4 {
		p := s.tcpService("rr", 1, 1)
		callers.Go(func() {
			if err := p.churn(s.size(50)); err != nil {
				s.Error(err)
			}
		})
	}
	callers.Wait()
	for _, err := range load.stop() {
		s.Errorf("a client failed while other services changed: %v", err)
	}
	if _, err := s.dp.Snapshot(s.Context()); err != nil {
		s.Errorf("Snapshot: %v", err)
	}
}

// churn applies, uses, reads and removes a service n times.
func (p *service) churn(n int) error {
	ctx := p.Context()
	for i := range n {
		if err := p.dp.Apply(ctx, p.want.Clone()); err != nil {
			return fmt.Errorf("round %d: Apply: %w", i, err)
		}
		if _, err := p.visit(i); err != nil {
			return fmt.Errorf("round %d: a client: %w", i, err)
		}
		all, err := p.dp.Snapshot(ctx)
		if err != nil {
			return fmt.Errorf("round %d: Snapshot: %w", i, err)
		}
		if !lists(all, p.want.ID) {
			return fmt.Errorf("round %d: Snapshot does not list %v, which is applied", i, p.want.ID)
		}
		if err := p.dp.Remove(ctx, p.want.ID); err != nil {
			return fmt.Errorf("round %d: Remove: %w", i, err)
		}
	}
	return nil
}

func lists(all []dataplane.ServiceStatus, id dataplane.ServiceID) bool {
	return slices.ContainsFunc(all, func(st dataplane.ServiceStatus) bool { return st.Service.ID == id })
}

func concurrentService(s *fixture) {
	p := s.tcpService("rr", 1, 1, 1)
	p.apply()
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for n := range s.size(50) {
				want := p.want.Clone()
				want.RealServers = want.RealServers[:1+(i+n)%3]
				if err := s.dp.Apply(s.Context(), want); err != nil {
					s.Errorf("Apply by caller %d: %v", i, err)
				}
			}
		})
	}
	callers.Wait()
	p.apply()
	p.shows("after four callers at once")
	got := p.sequence(0, 6)
	if inTurn := isTurn(got, "abc") || s.lab.Lacks.NewestFirst && isTurn(got, "acb"); !inTurn {
		s.Errorf("after four callers at once: connections went to %s, want a, b and c in turn", got)
	}
}

// isTurn reports whether got takes the letters of order in turn, from any of
// them on.
func isTurn(got, order string) bool {
	for i := range order {
		turn := order[i:] + order[:i]
		if got == turn+turn {
			return true
		}
	}
	return false
}
