package stream

import (
	"net/netip"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// clientOf returns the client's address: the one that a trusted proxy has named,
// else that of the peer. It returns false if the connection has been reset.
func (h *handler) clientOf(c *conn) (netip.AddrPort, bool) {
	if c.named {
		return h.named[c.index].Client, true
	}
	if peerOf(c.sides[client].fd, &h.worker.Peer) != 0 {
		return netip.AddrPort{}, false
	}
	return h.worker.Peer.Addr(), true
}

// partiesOf is clientOf with the address that the client has connected to.
func (h *handler) partiesOf(c *conn) (virtual.Parties, bool) {
	if c.named {
		return h.named[c.index], true
	}
	from, ok := h.clientOf(c)
	to := h.conns.refs(c).service.Addr
	if ok && !virtual.Specified(to) {
		ok = engine.NameOf(c.sides[client].fd, &h.worker.Peer) == 0
		to = h.worker.Peer.Addr()
	}
	return virtual.Parties{Client: from, Dest: to}, ok
}
