package dataplanetest

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// patience is the longest wait for anything that has to happen. It is long, so
// that only things that never happen run into it.
var patience = 20 * time.Second

// A fixture is the set-up of one promise: a new dataplane and the hosts.
type fixture struct {
	testing.TB
	lab Lab
	six bool
	dp  dataplane.Dataplane
}

func newFixture(t testing.TB, lab Lab, six bool) *fixture {
	t.Helper()
	return &fixture{TB: t, lab: lab, six: six, dp: openDataplane(t, lab)}
}

// openDataplane opens a dataplane that leaves nothing behind.
func openDataplane(t testing.TB, lab Lab) dataplane.Dataplane {
	t.Helper()
	dp := lab.Open(t)
	t.Cleanup(func() {
		ctx := context.Background()
		left, err := dp.Snapshot(ctx)
		if err != nil && !errors.Is(err, dataplane.ErrClosed) {
			t.Errorf("Snapshot at the end: %v", err)
		}
		for _, s := range left {
			if err := dp.Remove(ctx, s.Service.ID); err != nil {
				t.Errorf("Remove %v at the end: %v", s.Service.ID, err)
			}
		}
		if err := dp.Close(); err != nil {
			t.Errorf("Close at the end: %v", err)
		}
	})
	return dp
}

func (l Lab) vip(six bool) netip.Addr {
	if six {
		return l.VIP6
	}
	return l.VIP4
}

// size returns n, or a tenth of it with -short.
func (s *fixture) size(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// check ends the promise with an error.
func (s *fixture) check(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// until waits for something that has to come.
func (s *fixture) until(what string, come func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); !come(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// returns waits for a call that has to return.
func (s *fixture) returns(what string, result <-chan error) error {
	s.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		s.Fatalf("%s does not return within %v", what, patience)
	}
	return nil
}

// status returns what the dataplane says about a service, or fails.
func (s *fixture) status(id dataplane.ServiceID) dataplane.ServiceStatus {
	s.Helper()
	st, ok := s.find(id)
	if !ok {
		s.Fatalf("Snapshot does not list %v", id)
	}
	return st
}

func (s *fixture) find(id dataplane.ServiceID) (dataplane.ServiceStatus, bool) {
	s.Helper()
	all, err := s.dp.Snapshot(s.Context())
	s.check("Snapshot", err)
	for _, st := range all {
		if st.Service.ID == id {
			return st, true
		}
	}
	return dataplane.ServiceStatus{}, false
}
