package loop

import "golang.org/x/sys/unix"

const (
	// repliesAtOnce are asked for at a time. Fewer have taken all there were.
	repliesAtOnce = 16
	// replyShare is how many a flow may give before it is the turn of others.
	replyShare = 64
)

// collect takes what has come back on a flow. It is sent with what comes back
// on others.
func (w *worker) collect(r ref, events uint32) {
	f := w.flows.find(r)
	if f == nil {
		return
	}
	p := w.flows.patron(f).port
	w.direct(p)
	for taken := 0; taken < replyShare; {
		room := w.room()
		n, e := w.batch.receive(f.fd, w.batch.filled, room, false)
		switch {
		case e == unix.EAGAIN:
			return
		case unreachable(e):
			w.fail(f, e)
			return
		case e != 0:
			taken++ // an error of a datagram, or a signal
			continue
		}
		w.reply(p, f, n)
		if taken += n; n < room && events&unix.EPOLLERR == 0 {
			return
		}
	}
	// There is no other event for what is there already, unless it is asked for.
	w.watchFlow(unix.EPOLL_CTL_MOD, f)
}

// direct makes p the one that replies go out through.
func (w *worker) direct(p *port) {
	if w.batch.filled > 0 && w.post.fd == p.fd {
		return
	}
	w.flush()
	w.post.fd, w.post.way, w.post.plain, w.post.family = p.fd, server, p.plain, 0
	if p.anywhere {
		w.post.family = p.family
	}
}

// room returns how many replies can be taken, which it makes some for.
func (w *worker) room() int {
	if w.batch.filled == batchSize {
		w.flush()
	}
	return min(repliesAtOnce, batchSize-w.batch.filled)
}

// reply has the next n datagrams of the batch sent to the client.
func (w *worker) reply(p *port, f *flow, n int) {
	b := w.batch
	for i := b.filled; i < b.filled+n; i++ {
		_, segment := b.arrival(i)
		w.post.add(f, i, b.bytes(i), segment)
	}
	b.filled += n
	w.stir(p, f)
	if f.rank == unanswered {
		w.flows.raise(p, f, answered)
	}
}

// flush sends the replies that have been collected.
func (w *worker) flush() {
	if w.batch != nil && w.batch.filled > 0 {
		w.post.send()
		w.batch.filled = 0
	}
}
