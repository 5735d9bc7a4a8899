package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// ackWithin is for how long the first piece of an answer waits at most until
// the worker sees to its acknowledgement.
const ackWithin = 10 * time.Millisecond

// piecesFor is for how many connections a service is known for answers in pieces.
const piecesFor = 1000

// inPieces reports whether a new connection to a real server of s is likely to
// have its answer in pieces.
func (s *Service) inPieces() bool {
	return s.pieces.Load() > 0 && s.pieces.Add(-1) >= 0
}

// An arrival is the first piece of a real server's answer, and when it came.
type arrival struct {
	engine.Ref
	at time.Duration
}

// firstAnswer notes the first piece of the answer to the first request. The
// kernel has been told to hold the acknowledgement of the handshake back until
// it goes with that request, and holds back all others since, for forty
// milliseconds if nothing is sent: for so long a server with Nagle's algorithm
// would keep the second piece of its answer. With an end behind it there is no
// second piece.
//
// A piece that comes after the first one was acknowledged is a second one. The
// kernel then acknowledges those of the next connections to the service by itself.
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

// acknowledge has the kernel acknowledge the first pieces of answers, and what
// follows them, at once. That waits until the worker is idle for a moment or they are
// ackWithin old: a connection with one request is often over by then, and costs
// neither the call nor the segment.
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
