package dgram

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// repliesAtOnce is the number of replies asked for at a time. If fewer come
	// there are no more.
	repliesAtOnce = 16
	// replyShare is the number of replies taken from a flow before others are served.
	replyShare = 64
)

// replies relays the datagrams from real servers on a worker's flows. There is no
// batch before the first port.
type replies struct {
	h      *handler
	worker *engine.Worker

	in  *receiveBatch
	out *sendBatch
}

// collect receives the replies of a flow. They are sent with those of other flows.
func (rp *replies) collect(r engine.Ref, events uint32) {
	f := rp.h.flows.find(r)
	if f == nil {
		return
	}
	p := rp.h.flows.refs(f).port
	rp.direct(p)
	for taken := 0; taken < replyShare; {
		room := rp.room()
		n, e := rp.in.receive(f.fd, rp.in.filled, room, false)
		switch {
		case e == unix.EAGAIN:
			return
		case unreachable(e):
			rp.h.serverFailed(f, e)
			return
		case e != 0:
			taken++ // an error of a datagram, or a signal
			continue
		}
		rp.reply(p, f, n)
		if taken += n; n < room && events&unix.EPOLLERR == 0 {
			return
		}
	}
	// There is no other event for replies that are there already, unless it is asked for.
	rp.h.events.Change(f.fd, flowEvents, f.index, f.gen)
}

// direct sets the port through which replies are sent.
func (rp *replies) direct(p *port) {
	if rp.in.filled > 0 && rp.out.fd == p.fd {
		return
	}
	rp.flush()
	rp.out.fd, rp.out.way, rp.out.plain, rp.out.family = p.fd, server, p.plain, 0
	if p.anywhere {
		rp.out.family = p.family
	}
}

// room returns how many replies the batch can receive. It makes room if there is
// none.
func (rp *replies) room() int {
	if rp.in.filled == batchSize {
		rp.flush()
	}
	return min(repliesAtOnce, batchSize-rp.in.filled)
}

// reply queues the next n datagrams of the batch for the client.
func (rp *replies) reply(p *port, f *flow, n int) {
	b := rp.in
	for i := b.filled; i < b.filled+n; i++ {
		_, segment := b.control(i)
		rp.out.add(f, i, b.bytes(i), segment)
	}
	b.filled += n
	rp.h.touch(p, f)
	if f.class == unanswered {
		rp.h.flows.raise(p, f, answered)
	}
}

// flush sends the replies that have been collected.
func (rp *replies) flush() {
	if rp.in != nil && rp.in.filled > 0 {
		rp.out.send()
		rp.in.filled = 0
	}
}
