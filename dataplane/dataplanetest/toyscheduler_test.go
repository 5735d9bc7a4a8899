package dataplanetest

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// take picks a real server for a TCP client and counts it as active.
func (s *toyService) take(client netip.Addr, tried map[netip.AddrPort]bool) (netip.AddrPort, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to, ok := s.pick(client, tried)
	if !ok {
		if !s.is("counts nothing") {
			s.total.Refused++
		}
		return to, false
	}
	s.real(to).active++
	s.count(to, dataplane.Counters{Connections: 1})
	return to, true
}

// pick asks persistence and then the scheduler.
func (s *toyService) pick(client netip.Addr, tried map[netip.AddrPort]bool) (netip.AddrPort, bool) {
	if s.want.Persistent == 0 || s.is("forgets clients") {
		return s.schedule(client, tried)
	}
	bits := s.want.PersistentBits
	if s.is("ignores netmask") {
		bits = client.BitLen()
	}
	network, _ := client.Prefix(bits)
	pin := s.pins[network]
	if pin == nil || !s.alive(pin) || s.index(pin.to) < 0 && !s.is("pins the dead") || s.expires(pin) {
		to, ok := s.schedule(client, tried)
		if !ok {
			return to, false
		}
		pin = &toyPin{to: to}
		s.pins[network] = pin
	}
	pin.until = time.Now().Add(s.want.Persistent)
	return pin.to, true
}

// expires reports whether the client has to leave a quiescent server.
func (s *toyService) expires(p *toyPin) bool {
	i := s.index(p.to)
	return s.want.ExpireQuiescent && i >= 0 && s.want.RealServers[i].Weight == 0 && !s.is("pins the quiescent")
}

func (s *toyService) alive(p *toyPin) bool {
	return time.Now().Before(p.until) || s.is("never forgets clients")
}

func (s *toyService) pinned(to netip.AddrPort) (n int) {
	for _, p := range s.pins {
		if p.to == to && s.alive(p) {
			n++
		}
	}
	return n
}

func (s *toyService) schedule(client netip.Addr, tried map[netip.AddrPort]bool) (netip.AddrPort, bool) {
	var open []int
	for i, r := range s.want.RealServers {
		quiescent := r.Weight == 0 && !s.is("ignores quiescence")
		full := s.real(r.Addr).full && !s.is("ignores upper")
		if !quiescent && !full && !tried[r.Addr] {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return netip.AddrPort{}, false
	}
	if s.is("other way round") {
		slices.Reverse(open)
		return s.want.RealServers[open[0]].Addr, true
	}
	i := open[0]
	switch s.want.Scheduler {
	case "rr":
		i = s.next(open, func(int) bool { return true })
	case "wrr":
		i = s.weighted(open)
	case "lc", "wlc", "sed", "nq", "fo", "ovf":
		if i = s.least(open); math.IsInf(s.load(i), 1) {
			return netip.AddrPort{}, false
		}
	case "dh":
		if s.is("hashes nothing") {
			i = s.next(open, func(int) bool { return true })
		}
	case "sh", "mh":
		a := client.As16()
		i = open[int(a[15])%len(open)]
		if s.is("hashes nothing") {
			i = s.next(open, func(int) bool { return true })
		}
	}
	return s.want.RealServers[i].Addr, true
}

// next returns the first of open after the one taken last that will do, or -1
// at the end of the round.
func (s *toyService) next(open []int, ok func(i int) bool) int {
	for range 2 {
		for _, i := range open {
			if i > s.at && ok(i) {
				s.at = i
				return i
			}
		}
		s.at = -1
	}
	return -1
}

// weighted is the kernel's wrr: rounds with a falling level, in which only
// weights of at least that level count.
func (s *toyService) weighted(open []int) int {
	if s.is("evens out") {
		return s.next(open, func(int) bool { return true })
	}
	most, step := 0, 0
	for _, r := range s.want.RealServers {
		most = max(most, r.Weight)
		for step, r.Weight = r.Weight, step; r.Weight != 0; {
			step, r.Weight = r.Weight, step%r.Weight
		}
	}
	for {
		for _, i := range open {
			if i > s.at && s.level > 0 && s.want.RealServers[i].Weight >= s.level {
				s.at = i
				return i
			}
		}
		s.at = -1
		if s.level -= step; s.level <= 0 {
			s.level = most - step + 1
		}
	}
}

func (s *toyService) least(open []int) int {
	best := open[0]
	for _, i := range open {
		if s.load(i) < s.load(best) != s.is("most connections") {
			best = i
		}
	}
	return best
}

// load is what the scheduler takes a real server's load for.
func (s *toyService) load(i int) float64 {
	r := s.want.RealServers[i]
	n, weight := float64(s.real(r.Addr).active), float64(max(r.Weight, 1))
	next := n + 1
	if s.is("overlooks the next") {
		next = n
	}
	switch {
	case s.want.Scheduler == "lc" || s.is("ignores wlc's weights"), s.want.Scheduler == "nq" && n == 0:
		return n
	case s.want.Scheduler == "sed", s.want.Scheduler == "nq":
		return next / weight
	case s.want.Scheduler == "ovf" && n > weight:
		return math.Inf(1)
	case s.want.Scheduler == "fo", s.want.Scheduler == "ovf":
		return 1 / weight
	}
	return n / weight
}

// real returns what is known of a real server.
func (s *toyService) real(addr netip.AddrPort) *toyReal {
	r := s.reals[addr]
	if r == nil {
		r = &toyReal{}
		s.reals[addr] = r
	}
	return r
}

// count adds to a real server and the service, and looks at thresholds.
func (s *toyService) count(addr netip.AddrPort, c dataplane.Counters) {
	r := s.real(addr)
	if !s.is("counts nothing") {
		r.counters = r.counters.Add(c)
		s.total = s.total.Add(c)
	}
	i := s.index(addr)
	if i < 0 {
		return
	}
	upper, lower := int(s.want.RealServers[i].Upper), int(s.want.RealServers[i].Lower)
	switch {
	case upper == 0:
		r.full = false
	case r.active >= upper:
		r.full = true
	case s.is("ignores lower"), lower > 0 && r.active < lower, lower == 0 && 4*r.active < 3*upper:
		r.full = false
	}
}
