package dgram

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// requests relays the datagrams that clients send to a worker's ports.
type requests struct {
	h      *handler
	worker *engine.Worker

	origin origin // of the present datagram
	headed headedDatagram
}

// receive receives a batch of datagrams from the clients of a service and passes
// them on. The event comes again if there are more.
func (q *requests) receive(p *port) {
	q.h.replies.flush() // replies are in the same buffers
	b := q.h.replies.in
	n, e := b.receive(p.fd, 0, batchSize, true)
	if e != 0 && e != unix.EAGAIN && e != unix.EINTR {
		q.h.fwd.cannotReceive(p.service, e)
	}
	for i := range n {
		b.again[i] = false
		q.route(p, i)
	}
	for k := 0; k < len(b.runs); k++ { // it may grow meanwhile
		q.forward(p, q.h.flows.at(b.runs[k]))
	}
	b.runs = b.runs[:0]
}

// route finds the flow of a datagram and appends it to the datagrams of the flow in
// this batch, so that each flow sends once. A run of datagrams has one flow, too,
// unless every datagram has to be scheduled by itself.
func (q *requests) route(p *port, i int) {
	b := q.h.replies.in
	datagram := b.bytes(i)
	local, segment := b.control(i)
	q.setOrigin(p, &b.names[i], local)
	settings := p.service.Settings()
	if settings.Trusted != nil && settings.Trusts(q.h.sender(&q.origin).Addr()) {
		q.unwrap(p, datagram, segment)
		return
	}
	if segment > 0 && settings.OnePacket {
		q.deliverEach(p, datagram, segment)
		return
	}
	f := q.flowFor(p, datagram, segment)
	if f == nil {
		return
	}
	q.requestSeen(p, f)
	b.next[i] = engine.None
	if f.head == engine.None {
		f.head = int8(i)
		b.runs = append(b.runs, f.index)
	} else {
		b.next[f.tail] = int8(i)
	}
	f.tail = int8(i)
}

// setOrigin stores the sender of the present datagram.
func (q *requests) setOrigin(p *port, name *address, local [16]byte) {
	q.origin = origin{client: *name, port: p.slot}
	if p.family == unix.AF_INET {
		clear(q.origin.client[unix.SizeofSockaddrInet4/4:]) // left from the datagram before
	}
	if p.family == unix.AF_INET || local[0] != 0xff { // a multicast address is no source
		q.origin.local = local
	}
}

// requestSeen notes that the client of a flow has sent something.
func (q *requests) requestSeen(p *port, f *flow) {
	q.h.touch(p, f)
	if f.class == answered {
		q.h.flows.raise(p, f, assured)
	}
}

// deliverEach passes the datagrams of a run on by themselves.
func (q *requests) deliverEach(p *port, run []byte, segment int) {
	for datagram := range each(run, segment) {
		q.deliver(p, datagram)
	}
}

// deliver passes one datagram on by itself.
func (q *requests) deliver(p *port, datagram []byte) {
	for range 2 { // the real server of the first flow may be unreachable
		f := q.flowFor(p, datagram, 0)
		if f == nil {
			return
		}
		q.requestSeen(p, f)
		e := q.sendSingle(p, f, datagram)
		if e == 0 {
			return
		}
		o, head := q.origin, f.head
		f.head = engine.None
		q.h.serverFailed(f, e)
		q.reroute(p, head)
		q.origin = o
	}
}

// flowFor returns the flow of a datagram or a run, nil if there is none. Then the
// datagram has been answered by the sorry server, or counted as refused.
func (q *requests) flowFor(p *port, datagram []byte, segment int) *flow {
	if !p.service.Settings().OnePacket {
		if f := q.h.flows.lookup(&q.origin, nil); f != nil {
			if f.head != engine.None || q.current(p, f) {
				return f
			}
			q.h.drop(f)
		}
	}
	return q.h.open.openFlow(p, datagram, segment)
}

// current reports whether the real server of a flow is still in the service.
func (q *requests) current(p *port, f *flow) bool {
	epoch := p.service.epoch.Load()
	if f.epoch != epoch {
		f.epoch = epoch
		return !q.h.flows.refs(f).claim.Removed()
	}
	return true
}

// forward passes on the datagrams of a flow in the batch.
func (q *requests) forward(p *port, f *flow) {
	i := f.head
	if i == engine.None { // its place in the runs is that of one before it
		return
	}
	f.head = engine.None
	if stopped, e := q.send(p, f, i); e != 0 {
		q.h.serverFailed(f, e)
		q.reroute(p, int8(stopped))
	}
}

// reroute finds other flows for the datagrams from i on.
func (q *requests) reroute(p *port, i int8) {
	b := q.h.replies.in
	for i != engine.None {
		next := b.next[i]
		if !b.again[i] {
			b.again[i] = true
			q.route(p, int(i))
		}
		i = next
	}
}

// send sends the datagrams from i on to the real server.
func (q *requests) send(p *port, f *flow, i int8) (stopped int, e unix.Errno) {
	b, out := q.h.replies.in, q.h.replies.out
	if p.service.Settings().ProxyProtocol != 0 {
		return q.sendWithHeaders(p, f, i)
	}
	if b.next[i] == engine.None && b.messages[i].header.Controllen == 0 {
		return int(i), q.sendAlone(f, b.bytes(int(i)))
	}
	out.fd, out.way, out.plain, out.family = f.fd, client, p.plain, 0
	for ; i != engine.None && e == 0; i = b.next[i] {
		_, segment := b.control(int(i))
		out.add(f, int(i), b.bytes(int(i)), segment)
	}
	if stopped, e = out.send(); e == 0 {
		return stopped, e
	}
	// A run that was sent one by one may have been passed on in part.
	i, passed := int8(stopped), out.passed
	for passed > 0 && passed >= len(b.bytes(int(i))) {
		passed -= len(b.bytes(int(i)))
		i = b.next[i]
	}
	b.skip(int(i), passed)
	return int(i), e
}

// sendAlone sends a single datagram, the usual case with many flows.
func (q *requests) sendAlone(f *flow, b []byte) unix.Errno {
	for again := true; ; {
		_, e := engine.Send(f.fd, b)
		if failed, over := f.sent(e, len(b), &again); over {
			return failed
		}
	}
}

// sent handles the result of sending a datagram of size bytes. over is false if the
// datagram has to be sent again, once, because the error was that of an earlier one.
func (f *flow) sent(e unix.Errno, size int, again *bool) (failed unix.Errno, over bool) {
	switch {
	case e == 0:
		f.count(client, 1, size)
	case e == unix.EINTR:
		return 0, false
	case stale(e) && *again:
		*again = false
		return 0, false
	case unreachable(e):
		return e, true
	}
	return 0, true
}
