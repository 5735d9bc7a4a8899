package table

import (
	"net/netip"
	"slices"
)

// markCut gives no client to the servers at these addresses from now on, not even
// by persistence.
func (s *Service) markCut(addrs []netip.AddrPort) {
	if len(addrs) == 0 && len(s.spec.Cut) == 0 {
		return
	}
	for addr, sv := range s.known() {
		sv.cut.Store(slices.Contains(addrs, addr))
	}
}

// Doomed reports whether connections or flows are left at servers that the
// service cuts.
func (s *Service) Doomed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sv := range s.known() {
		if sv.cut.Load() && sv.active > 0 {
			return true
		}
	}
	return false
}
