package proxy

import (
	"fmt"
	"net/netip"

	"github.com/shunt-lb/shunt/dataplane"
)

// addressLimits returns the reasons why real servers cannot be told the client's
// address.
func addressLimits(v dataplane.VirtualService) []*dataplane.Limit {
	var limits []*dataplane.Limit
	limit := func(directive, format string, args ...any) {
		limits = append(limits, &dataplane.Limit{Directive: directive, Reason: fmt.Sprintf(format, args...)})
	}
	udp := v.ID.Protocol == dataplane.UDP
	switch {
	case v.ProxyProtocol < 0 || v.ProxyProtocol > 2:
		limit("proxyprotocol", "the PROXY protocol has no version %d: use 1 or 2", v.ProxyProtocol)
	case v.ProxyProtocol == 1 && udp:
		limit("proxyprotocol", "version 1 of the PROXY protocol knows no UDP: use v2")
	}
	if rs, ok := otherFamily(v); ok {
		limit("transparent", "real server %s cannot see the address of a client of %s, which is of the other family: give it an address of that family, or use proxyprotocol", rs, v.ID.Addr)
	}
	return limits
}

// otherFamily returns a real server whose family differs from that of the clients.
func otherFamily(v dataplane.VirtualService) (netip.AddrPort, bool) {
	for _, rs := range v.RealServers {
		if v.Transparent && rs.Addr.IsValid() && v.ID.Addr.IsValid() &&
			rs.Addr.Addr().Unmap().Is4() != v.ID.Addr.Addr().Unmap().Is4() {
			return rs.Addr, true
		}
	}
	return netip.AddrPort{}, false
}
