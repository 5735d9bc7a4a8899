package loop

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/proxyheader"
)

// The parties to a connection or flow are its client and where that wanted to
// go.
type parties struct{ client, dest netip.AddrPort }

// clientOf returns who the client of a connection is: the one that a trusted
// proxy has named, else who has connected. It is false for one that has been
// reset.
func (h *tcp) clientOf(c *conn) (netip.AddrPort, bool) {
	if c.named {
		return h.named[c.index].client, true
	}
	if peerOf(c.sides[client].fd, &h.worker.peer) != 0 {
		return netip.AddrPort{}, false
	}
	return h.worker.peer.addr(), true
}

// partiesOf is clientOf with where the client has connected to.
func (h *tcp) partiesOf(c *conn) (parties, bool) {
	if c.named {
		return h.named[c.index], true
	}
	from, ok := h.clientOf(c)
	to := h.slab.owner(c).service.Addr
	if ok && !specified(to) {
		ok = nameOf(c.sides[client].fd, &h.worker.peer) == 0
		to = h.worker.peer.addr()
	}
	return parties{from, to}, ok
}

// specified reports whether a says where a client has gone.
func specified(a netip.AddrPort) bool {
	return a.IsValid() && !a.Addr().IsUnspecified() && a.Port() != 0
}

// partiesAt is partiesOf for the datagrams of an origin.
func (h *udp) partiesAt(p *port, o *origin) parties {
	if o.via != 0 {
		return *h.flows.named.at(o.via)
	}
	to := p.service.Addr
	if p.anywhere {
		to = netip.AddrPortFrom(o.localAddr(), to.Port())
	}
	return parties{h.sender(o), to}
}

// localAddr is where the client sends to, if the service is on a wildcard.
func (o *origin) localAddr() netip.Addr {
	if o.client.family() == unix.AF_INET {
		return netip.AddrFrom4([4]byte(o.local[:]))
	}
	return netip.AddrFrom16(o.local)
}

// header writes the header of a version into b, which has room for it.
func (p parties) header(b []byte, version int, udp bool) []byte {
	if version == 1 {
		return proxyheader.Append1(b, p.client, p.dest)
	}
	return proxyheader.Append2(b, p.client, p.dest, udp)
}
