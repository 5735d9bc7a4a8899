package dgram

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// partiesAt is partiesOf for the datagrams of an origin.
func (h *handler) partiesAt(p *port, o *origin) virtual.Parties {
	if o.via != 0 {
		return *h.flows.named.at(o.via)
	}
	to := p.service.Addr
	if p.anywhere {
		to = netip.AddrPortFrom(o.localAddr(), to.Port())
	}
	return virtual.Parties{Client: h.sender(o), Dest: to}
}

// localAddr returns the address that the client sends to, if the service is on a
// wildcard address.
func (o *origin) localAddr() netip.Addr {
	if o.client.family() == unix.AF_INET {
		return netip.AddrFrom4([4]byte(o.local[:]))
	}
	return netip.AddrFrom16(o.local)
}
