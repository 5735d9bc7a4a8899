package dataplanetest

import "github.com/shunt-lb/shunt/dataplane"

var removing = []promise{
	{"remove/refuses", "new connections are refused when Remove returns", removeRefuses},
	{"remove/unknown", "removing what is not there is no error", removeUnknown},
	{"remove/again", "a removed service can be applied again", removeAgain},
	{"remove/datagrams", "nobody answers for a removed UDP service", removeDatagrams},
	{"remove/foreign", "services that were never applied here are not touched", removeForeign},
}

// remove removes the service.
func (p *service) remove() {
	p.Helper()
	p.check("Remove "+p.want.ID.String(), p.dp.Remove(p.Context(), p.want.ID))
}

func removeRefuses(s *fixture) {
	p, q := s.tcpService("rr", 1), s.tcpService("rr", 1)
	p.apply()
	q.apply()
	p.takes("before", 0, "a")
	p.remove()
	for range 3 {
		p.refuses("removed")
	}
	if _, ok := s.find(p.want.ID); ok {
		s.Error("Snapshot lists a removed service")
	}
	q.takes("another service was removed", 0, "aa")
}

func removeUnknown(s *fixture) {
	p := s.tcpService("rr", 1)
	p.remove()
	p.apply()
	p.remove()
	p.remove()
	fwm := dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5, IPv6: s.six}
	s.check("Remove a firewall mark that was never applied", s.dp.Remove(s.Context(), fwm))
}

func removeAgain(s *fixture) {
	p := s.tcpService("rr", 1, 1)
	for range 20 {
		p.apply()
		p.takes("applied again, from the beginning", 0, "a")
		p.remove()
	}
}

func removeDatagrams(s *fixture) {
	p := s.udpService("rr", 1)
	p.apply()
	if got := p.asks(p.flow(0), 1); got != "a" {
		s.Errorf("before: answered by %s, want a", got)
	}
	p.remove()
	if name, err := p.flow(0).ask("anybody?"); err == nil {
		s.Errorf("removed: answered by %s, want nobody", name)
	} else if !refused(err) {
		s.Errorf("removed: %v, want the datagram refused", err)
	}
}

func removeForeign(s *fixture) {
	other := *s
	other.dp = openDataplane(s, s.lab)
	p, q := s.tcpService("rr", 1), other.tcpService("rr", absent, 1)
	p.apply()
	q.apply()
	if _, ok := s.find(q.want.ID); ok {
		s.Error("Snapshot lists a service that somebody else has made")
	}
	s.check("Remove somebody else's service", s.dp.Remove(s.Context(), q.want.ID))
	q.takes("somebody else has removed it", 0, "bb")
	p.remove()
	q.takes("somebody else has removed his own", 0, "bb")
}
