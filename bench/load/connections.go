package load

import (
	"golang.org/x/sys/unix"
)

// A state of a client's connection.
type state uint8

const (
	closed    state = iota
	connected       // kept, with no operation
	reaching        // connect has not been answered; here the operations begin
	asked           // the request is on its way out
	awaiting        // the answer is on its way in
)

// connection is one slot of a client.
type connection struct {
	fd       int32
	state    state
	number   uint16 // of the real server, as far as the answer has come
	sequence uint32
	began    int64
	size     int // of the request
	answer   int
	sent     int
	got      int
}

// connections carries operations over TCP.
type connections struct {
	l        *loop
	t        *tally
	self     int32
	keep     bool // connections outlive their operation
	discard  bool
	flags    byte // of requests
	trust    bool
	buffer   int
	size     int // of the requests begun now
	answer   int
	answered int // operations that succeeded since this was set to 0
	under    int // operations under way
	slots    []connection
	idle     ring
	targets  []sockaddr
	sources  []sockaddr
	turn     int // of targets and sources
	family   int
	sequence uint32
	buf      []byte
}

func newConnections(l *loop, job Client, t *tally) *connections {
	w := &connections{
		l: l, t: t, keep: job.Kind != Connections, discard: job.Kind == Bulk, trust: job.Trust, buffer: job.Buffer,
		size: job.Request, answer: job.Answer, slots: make([]connection, job.Connections), idle: newRing(job.Connections),
		family: family(job.Targets[0].Addr()), buf: make([]byte, chunk),
	}
	if w.discard {
		w.flags |= discard
	}
	if job.Pieces {
		w.flags |= apart
	}
	for i := range w.slots {
		w.slots[i].fd = -1
	}
	w.targets, w.sources = endpoints(job)
	w.self = l.register(w)
	return w
}

func (w *connections) tick(int64) int64 { return never }

func (w *connections) flush() {}

func (w *connections) free() int { return w.idle.n }

func (w *connections) busy() int { return w.under }

// nextEstablished reports whether the next connection in turn is established, and
// takes it out of turn if not.
func (w *connections) nextEstablished() bool {
	if w.slots[w.idle.first()].state == connected {
		return true
	}
	w.idle.pop()
	return false
}

func (w *connections) begin(began int64) bool {
	i := w.idle.pop()
	k := &w.slots[i]
	w.under++
	w.sequence++
	k.began, k.sequence, k.size, k.answer = began, w.sequence, w.size, w.answer
	k.sent, k.got, k.number = 0, 0, 0
	if k.state == connected {
		k.state = asked
		return w.send(i, k)
	}
	return w.connect(i, k)
}

// connect opens a connection for the operation of slot i.
func (w *connections) connect(i int32, k *connection) bool {
	fd, errno := socket(w.family, unix.SOCK_STREAM)
	if errno != 0 {
		return w.fail(i, k, because(opening, errno))
	}
	k.fd, k.state = fd, reaching
	setBuffers(fd, w.buffer)
	if w.keep {
		_ = setOption(fd, unix.SOL_TCP, unix.TCP_NODELAY, 1)
	}
	turn := w.turn
	w.turn++
	if len(w.sources) > 0 {
		_ = setOption(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if errno := bind(fd, &w.sources[turn%len(w.sources)]); errno != 0 {
			return w.fail(i, k, because(binding, errno))
		}
	}
	errno = connect(fd, &w.targets[turn%len(w.targets)])
	if errno != 0 && errno != unix.EINPROGRESS {
		return w.fail(i, k, because(connecting, errno))
	}
	if f := w.l.watch(fd, w.self, i); f != 0 {
		return w.fail(i, k, because(opening, f))
	}
	if errno == 0 {
		return w.send(i, k)
	}
	return true
}

func (w *connections) ready(i int32, events uint32) {
	k := &w.slots[i]
	switch k.state {
	case reaching, asked:
		// A stray event is harmless: sending waits for the connection too.
		if !w.send(i, k) || k.state != awaiting || events == unix.EPOLLOUT {
			return
		}
		w.receive(i, k, events)
	case awaiting:
		if events != unix.EPOLLOUT {
			w.receive(i, k, events)
		}
	case connected:
		if events != unix.EPOLLOUT {
			w.readIdle(k)
		}
	}
}

// send sends what is left of the request. It reports whether the operation
// goes on.
func (w *connections) send(i int32, k *connection) bool {
	r := request{sequence: k.sequence, size: uint32(k.size), answer: uint32(k.answer), flags: w.flags}
	r.append(w.buf[:0])
	for range budget {
		n, errno := send(k.fd, piece(w.buf, MinRequest, k.sequence, k.sent, k.size))
		if errno == unix.EAGAIN {
			return true
		}
		if errno != 0 {
			return w.fail(i, k, because(attempt(k.state), errno))
		}
		k.state = asked
		k.sent += n
		w.t.carried(n, 0)
		if k.sent == k.size {
			k.state = awaiting
			return true
		}
	}
	w.l.again(w.self, i, unix.EPOLLOUT)
	return true
}

// attempt returns what a failed send has failed at: connecting, where that was
// not known yet.
func attempt(s state) fault {
	if s == reaching {
		return connecting
	}
	return sending
}

// over are the events after which nothing more comes.
const over = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

func (w *connections) receive(i int32, k *connection, events uint32) {
	for range budget {
		n, drained, f := w.receivePart(k)
		if f != noFault {
			w.fail(i, k, f)
			return
		}
		k.got += n
		w.t.carried(0, n)
		if k.got == k.answer {
			w.succeed(i, k)
			if k.state == connected && events&over != 0 {
				w.readIdle(k)
			}
			return
		}
		if n == 0 || drained && events&over == 0 {
			return // epoll reports later bytes
		}
	}
	w.l.again(w.self, i, events)
}

// receivePart receives a part of the answer and looks at it. drained says that there
// was no more.
func (w *connections) receivePart(k *connection) (n int, drained bool, f fault) {
	b, n, flags := w.buf, len(w.buf), 0
	if w.discard && k.got >= MinAnswer {
		b, n, flags = nil, k.answer-k.got, unix.MSG_TRUNC
	}
	n, errno := recv(k.fd, b, n, flags)
	switch {
	case errno == unix.EAGAIN:
		return 0, true, noFault
	case errno != 0:
		return 0, true, because(receiving, errno)
	case n == 0 && k.got == 0:
		return 0, true, closedBefore
	case n == 0:
		return 0, true, closedWithin
	case b == nil:
		return n, false, noFault
	case k.got+n > k.answer:
		return 0, true, tooMuch
	}
	return n, n < len(w.buf), checkAnswer(b[:n], k.sequence, k.got, &k.number, w.trust || w.discard)
}

func (w *connections) succeed(i int32, k *connection) {
	w.t.good(k.began, w.l.now(), k.number)
	w.answered++
	w.under--
	k.state = connected
	if !w.keep {
		w.drop(k)
	}
	w.idle.push(i)
}

// fail ends the operation of slot i and its connection. It returns false, that
// it did not go well.
func (w *connections) fail(i int32, k *connection, f fault) bool {
	now := w.l.now()
	w.t.bad(k.began, now, f)
	if k.state == asked || k.state == awaiting {
		w.t.connectionLost(now)
	}
	w.under--
	w.drop(k)
	w.idle.push(i)
	return false
}

func (w *connections) drop(k *connection) {
	if k.fd >= 0 {
		closeDescriptor(k.fd)
	}
	k.fd, k.state = -1, closed
}

// readIdle reads from a connection without an operation, where only its end is
// expected. The slot stays where it waits for its turn.
func (w *connections) readIdle(k *connection) {
	n, errno := recv(k.fd, w.buf, len(w.buf), 0)
	if errno == unix.EAGAIN {
		return
	}
	if errno == 0 && n > 0 {
		w.t.unexpected(unrequested)
	}
	w.t.connectionLost(w.l.now())
	w.drop(k)
}

func (w *connections) sweep(before, _ int64) {
	for i := range w.slots {
		k := &w.slots[i]
		if k.state < reaching || k.began > before {
			continue
		}
		f := lateAnswer
		if k.state == reaching {
			f = lateConnection
		}
		w.fail(int32(i), k, f)
	}
}

func (w *connections) established() int {
	n := 0
	for i := range w.slots {
		if s := w.slots[i].state; s != closed && s != reaching {
			n++
		}
	}
	return n
}

func (w *connections) close() {
	for i := range w.slots {
		w.drop(&w.slots[i])
	}
}
