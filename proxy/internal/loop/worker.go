package loop

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A worker is one loop with everything that it carries. Nothing in it is
// touched from outside but the mailbox.
type worker struct {
	engine  *Engine
	poller  *poller
	mailbox *mailbox
	mailed  bool                 // there is something in the mailbox
	clock   func() time.Duration // since before the engine was made

	// When the latest turn began, and the worker's thread, for others to read.
	turned atomic.Int64
	thread atomic.Int64

	now  time.Duration
	tick uint32 // of tickLength each, never 0
	// lively counts the turns that began soon after the one before.
	lively uint8

	slab    conns
	wheel   *wheel
	pipes   pipes
	stashes stashes
	moving  []ref  // what has moved in this tick
	queue   []ref  // what has more to do than its share
	passed  uint64 // bytes of connections, ever
	calm    bool   // the worker has no more than one thing to do
	// arrivals are first pieces of answers to be acknowledged.
	arrivals []arrival
	lots
	tried   map[int32][]*table.Server
	waiting map[int32]*table.Waiter
	named   map[int32]parties // of those that were introduced

	listeners []*listener
	held      int // of the listeners: those that wait for a place
	paused    bool
	resume    uint32 // tick at which to accept again
	reserve   reserve

	datagrams

	stopped bool

	// What the kernel reads and writes.
	buffer   [bufferSize]byte
	peer, to sockaddr
	answer   int32
	size     uint32
	poll     unix.PollFd
}

func newWorker(e *Engine) (*worker, error) {
	w := &worker{
		engine: e, clock: e.sinceStart, reserve: reserve{none, none},
		tried: map[int32][]*table.Server{}, waiting: map[int32]*table.Waiter{}, named: map[int32]parties{},
	}
	w.wheel = newWheel(&w.slab)
	w.pipes.limit = min(e.options.Pipes/e.options.Workers, maxPipes)
	w.readClock()
	w.wheel.now = w.tick
	var err error
	if w.poller, err = newPoller(); err != nil {
		return nil, err
	}
	if w.mailbox, err = newMailbox(); err != nil {
		w.poller.close()
		return nil, err
	}
	w.poller.control(unix.EPOLL_CTL_ADD, w.mailbox.fd, unix.EPOLLIN, wokenUp, 0)
	w.restock()
	return w, nil
}

// run turns until the worker is stopped.
func (w *worker) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w.thread.Store(int64(unix.Gettid()))
	for !w.stopped {
		w.turn(w.rest())
	}
	w.shut()
}

// turn waits for events and does what they make possible.
func (w *worker) turn(limit int) {
	events := w.sleep(limit)
	w.calm = len(events) <= 1
	before := w.tick
	w.readClock()
	if w.tick != before {
		w.bookAll()
		w.bookFlows()
	}
	for i := range events {
		w.dispatch(&events[i])
	}
	if w.mailed {
		// Not among the events: one that follows could be about a socket
		// that has made room for another.
		w.mailed = false
		w.mailbox.open()
	}
	w.flush()
	w.workOff()
	w.acknowledge(len(events) == 0)
	w.relent()
	w.expire()
	if w.tick != before {
		w.wheel.advance(w.tick, w.look)
		w.recover()
		w.retryAll()
		w.pipes.trim(sparePipes)
	}
}

// readClock looks at the clock.
func (w *worker) readClock() {
	now := w.clock()
	if now-w.now > linger*time.Millisecond {
		w.lively = 0
	} else if w.lively < livelyAfter {
		w.lively++
	}
	w.now = now
	w.turned.Store(int64(now))
	w.tick = uint32(w.now/tickLength) + 1
}

// rest returns for how many milliseconds there is nothing to do but for
// events, -1 for ever.
func (w *worker) rest() int {
	if len(w.queue) > 0 {
		return 0
	}
	n, ok := w.wheel.next()
	if len(w.moving) > 0 || len(w.stirred) > 0 || w.paused || w.held > 0 {
		n, ok = 1, true
	}
	if due, any := w.flowsNext(); any && (due < n || !ok) {
		n, ok = due, true
	}
	if !ok {
		return -1
	}
	until := time.Duration(w.tick-1+uint32(n))*tickLength - w.now
	return max(0, int((until+time.Millisecond-1)/time.Millisecond))
}

func (w *worker) dispatch(ev *unix.EpollEvent) {
	switch {
	case ev.Fd >= flowEvents:
		w.collect(ref{ev.Fd - flowEvents, uint32(ev.Pad)}, ev.Events)
	case ev.Fd >= 0:
		w.handle(ref{ev.Fd >> 1, uint32(ev.Pad)}, int(ev.Fd&1), ev.Events)
	case ev.Fd == wokenUp:
		w.mailed = true
	case ev.Fd < portEvents/2:
		if p := w.ports[ev.Fd-portEvents]; p != nil {
			w.receive(p)
		}
	default:
		if l := w.listeners[wokenUp-1-ev.Fd]; l != nil {
			w.admit(l, acceptShare)
		}
	}
}

// handle takes an event of a socket, which may be one that is gone.
func (w *worker) handle(r ref, which int, events uint32) {
	c := w.slab.find(r)
	if c == nil {
		return
	}
	c.note(which, events)
	w.meet(r)
	switch c.state {
	case connecting:
		w.progress(c, which)
	case waiting:
		w.waited(c)
	case introducing:
		w.hear(c)
	default:
		if c.streams() {
			w.later(c) // after requests
		} else {
			w.move(c)
		}
	}
}

// note takes down what an event says about a side.
func (c *conn) note(which int, events uint32) {
	s := &c.sides[which]
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLPRI) != 0 {
		s.readable = true
	}
	if events&unix.EPOLLOUT != 0 {
		s.writable = true
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLPRI) != 0 {
		// What follows an end that is here already, or stands behind an
		// urgent byte, is no event of its own.
		s.ending = true
	}
	if events&unix.EPOLLPRI != 0 {
		c.ways[which].copy = true // splice does not get past it
	}
	// Until it has been told the end, nothing but a reset shuts a side both
	// ways. The error itself may have been taken away by a failed write.
	if events&unix.EPOLLERR != 0 || events&unix.EPOLLHUP != 0 && !c.ways[1-which].told {
		s.broken = true
	}
}

// later puts c among those that have more to do.
func (w *worker) later(c *conn) {
	if !c.queued {
		c.queued = true
		w.queue = append(w.queue, c.ref())
	}
}

// workOff gives each of those that have more to do a share, as far as that of
// the turn goes.
func (w *worker) workOff() {
	n, before := 0, w.passed
	for all := len(w.queue); n < all && w.passed-before < turnShare; n++ {
		if c := w.slab.find(w.queue[n]); c != nil {
			c.queued = false
			w.move(c)
		}
	}
	w.queue = append(w.queue[:0], w.queue[n:]...)
}

// shut ends everything.
func (w *worker) shut() {
	w.mailbox.close()
	w.slab.all(w.cut)
	for _, l := range w.listeners {
		if l != nil {
			closeFD(l.fd)
		}
	}
	for _, p := range w.ports {
		if p != nil {
			w.closePort(p.fd)
		}
	}
	w.pipes.trim(0)
	w.reserve.release()
	w.poller.close()
}
