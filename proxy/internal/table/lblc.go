package table

import (
	"slices"
	"time"
)

// lblcExpiry is the kernel's default for how long lblc and lblcr remember:
// sysctls net.ipv4.vs.lblc_expiration and lblcr_expiration.
const lblcExpiry = 24 * time.Hour

// lblc is locality based least connection, for caches: all connections to one
// destination go to one server until that is overloaded; then wlc chooses another
// one. The kernel remembers the server of every destination. A service of the
// proxy has one, the address it listens on.
type lblc struct {
	servers []*Server
	home    *Server
	used    time.Time // when home was last used
}

func (s *lblc) update(servers []*Server) {
	s.servers = servers
	if !slices.Contains(servers, s.home) {
		s.home = nil
	}
}

func (s *lblc) next(r request) *Server {
	now := time.Now()
	stale := now.Sub(s.used) > lblcExpiry
	s.used = now
	if !stale && s.home != nil && s.home.takes(r) && !crowded(s.home, s.servers) {
		return s.home
	}
	sv := lightest(s.servers, r, 0)
	if sv != nil {
		s.home = sv
	}
	return sv
}

// crowded reports whether sv has more connections than its weight while another
// server has less than half of its weight.
func crowded(sv *Server, servers []*Server) bool {
	return sv.active > sv.spec.Weight && slices.ContainsFunc(servers, func(other *Server) bool {
		return other.active*2 < other.spec.Weight
	})
}

// lblcr is lblc with replication: a destination has a set of servers and goes to
// the one of them with the least connections for its weight. When that one is
// overloaded wlc adds another; when the set has not changed for long, the busiest
// is removed from it.
type lblcr struct {
	servers       []*Server
	set           []*Server // the one added last in front
	used, changed time.Time
}

func (s *lblcr) update(servers []*Server) {
	s.servers = servers
	s.set = slices.DeleteFunc(s.set, func(sv *Server) bool { return !slices.Contains(servers, sv) })
}

func (s *lblcr) next(r request) *Server {
	now := time.Now()
	if now.Sub(s.used) > lblcExpiry {
		s.set = s.set[:0]
	}
	s.used = now
	sv := lightest(s.set, r, 0)
	if len(s.set) > 1 && now.Sub(s.changed) > lblcExpiry {
		s.shrink(now)
	}
	if sv != nil && !crowded(sv, s.servers) {
		return sv
	}
	if sv = lightest(s.servers, r, 0); sv != nil && !slices.Contains(s.set, sv) {
		s.set = slices.Insert(s.set, 0, sv)
		s.changed = now
	}
	return sv
}

// shrink removes the busiest server from the set.
func (s *lblcr) shrink(now time.Time) {
	most := -1
	for i, sv := range s.set {
		if sv.spec.Weight > 0 && (most < 0 || s.set[most].lighter(sv, 0)) {
			most = i
		}
	}
	if most >= 0 {
		s.set = slices.Delete(s.set, most, most+1)
		s.changed = now
	}
}
