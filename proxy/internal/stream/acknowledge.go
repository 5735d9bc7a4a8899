package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// ackWithin is the longest time that the first piece of an answer waits for its
// acknowledgement.
const ackWithin = 10 * time.Millisecond

// piecesFor is the number of connections for which a service counts as one with
// answers in pieces.
const piecesFor = 1000

// inPieces reports whether the answer on a new connection of s is likely to come
// in pieces.
func (s *Service) inPieces() bool {
	return s.pieces.Load() > 0 && s.pieces.Add(-1) >= 0
}

// An arrival is the first piece of a real server's answer, and when it came.
type arrival struct {
	engine.Ref
	at time.Duration
}

// firstAnswer notes the first piece of the answer to the first request. The
// kernel delays the acknowledgement of the handshake until that request, and since
// then all others, for forty milliseconds if nothing is sent. A server with Nagle's
// algorithm would keep the second piece of its answer as long. If an end follows
// the first piece there is no second one.
//
// A piece that comes after the acknowledgement of the first is a second one. Then
// the kernel is asked to acknowledge the answers of the service's next connections
// by itself.
func (rl *relay) firstAnswer(c *conn) {
	if c.quickAcked {
		c.quickAcked = false
		if c.written == 1 {
			rl.h.conns.refs(c).service.pieces.Store(piecesFor)
		}
		return
	}
	c.ackAsked = true
	if !c.sides[server].ending {
		rl.arrivals = append(rl.arrivals, arrival{c.ref(), rl.worker.Now})
	}
}

// acknowledge makes the kernel acknowledge the first pieces of answers, and the
// pieces after them, at once. It does so when the worker is idle for a moment or the
// pieces are ackWithin old: a connection with one request is often over by then, and
// costs neither the call nor the segment.
func (rl *relay) acknowledge(idle bool) {
	n := 0
	for ; n < len(rl.arrivals) && (idle || rl.worker.Now-rl.arrivals[n].at >= ackWithin); n++ {
		if c := rl.h.conns.find(rl.arrivals[n].Ref); c != nil && !c.sides[server].eof {
			engine.SetOption(c.sides[server].fd, unix.SOL_TCP, unix.TCP_QUICKACK, &engine.On)
			c.quickAcked = true
		}
	}
	rl.arrivals = append(rl.arrivals[:0], rl.arrivals[n:]...)
}
