package dataplanetest

import (
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

var reading = []promise{
	{"snapshot/all of it", "Snapshot says what is in force", snapshotWhole},
	{"snapshot/order", "Snapshot is ordered by service", snapshotOrder},
	{"look/one", "Look says what Snapshot says of one service", lookAtOne},
}

func snapshotWhole(s *fixture) {
	if all, err := s.dp.Snapshot(s.Context()); err != nil || len(all) > 0 {
		s.Fatalf("Snapshot of a new dataplane: %v, %v, want nothing", all, err)
	}
	p := s.tcpService("wlc", 5, 0)
	p.want.RealServers[0].Upper, p.want.RealServers[0].Lower = 100, 50
	p.apply()
	p.shows("just applied")
	if got, want := p.server(0).RealServer, p.want.RealServers[0]; got != want {
		s.Errorf("Snapshot has real server %+v, want %+v", got, want)
	}
}

func snapshotOrder(s *fixture) {
	var want []dataplane.ServiceID
	for _, p := range []*service{s.udpService("rr", 1), s.tcpService("rr", 1), s.udpService("rr", 1), s.tcpService("rr", 1)} {
		p.apply()
		want = append(want, p.want.ID)
	}
	slices.SortFunc(want, dataplane.ServiceID.Compare)
	all, err := s.dp.Snapshot(s.Context())
	s.check("Snapshot", err)
	var got []dataplane.ServiceID
	for _, st := range all {
		got = append(got, st.Service.ID)
	}
	if !slices.Equal(got, want) {
		s.Errorf("Snapshot lists %v, want %v", got, want)
	}
}

func lookAtOne(s *fixture) {
	l, ok := s.dp.(dataplane.Looker)
	if !ok {
		return
	}
	first, p := s.tcpService("rr", 1), s.tcpService("wlc", 5, 0)
	first.apply()
	if st, err := l.Look(s.Context(), p.want.ID); err != nil || st.Service.ID != (dataplane.ServiceID{}) {
		s.Errorf("Look at a service that is not served: %+v, %v, want nothing", st, err)
	}
	p.apply()
	st, err := l.Look(s.Context(), p.want.ID)
	s.check("Look", err)
	if want := s.status(p.want.ID); !st.Service.Equal(want.Service) || len(st.Servers) != len(want.Servers) {
		s.Errorf("Look says %+v, Snapshot %+v", st, want)
	}
}
