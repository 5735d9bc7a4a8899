package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// look checks a connection whose timer has expired.
func (h *handler) look(c *conn) {
	if left := int32(c.due - h.worker.Tick); left > 0 && (c.state == connecting || c.state == waiting || c.state == awaitingHeader) {
		h.wheel.Set(c.index, h.worker.Tick+uint32(left))
		return
	}
	switch c.state {
	case connecting:
		h.dialer.connectFailed(c, unix.ETIMEDOUT)
	case waiting:
		h.dialer.waitTimedOut(c)
	case awaitingHeader:
		h.headerMissing(c, errLate)
	case relaying:
		h.lookIdle(c)
	case resetting:
		h.checkReset(c)
	}
}

// lookIdle cuts a connection on which nothing has moved for too long, and turns
// on the keepalives of one that lasts. Clients' sockets inherit theirs from the
// listener.
func (h *handler) lookIdle(c *conn) {
	settings := h.conns.refs(c).service.Settings()
	limit := engine.Ticks(settings.IdleTimeout)
	quiet := h.worker.Tick - c.last
	if quiet >= limit {
		h.cut(c)
		return
	}
	if !c.lasting {
		c.lasting = true
		h.conns.refs(c).service.keepalive.Load().enable(c.sides[server].fd)
	}
	h.wheel.Set(c.index, h.worker.Tick+min(limit-quiet, engine.LookEvery))
}
