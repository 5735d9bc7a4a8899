package loop

import (
	"net/netip"
)

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
