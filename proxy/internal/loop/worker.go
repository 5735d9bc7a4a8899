package loop

import (
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// bufferSize is how much is read at a time.
const bufferSize = 64 << 10

// A worker is one event loop on a thread of its own. Nothing in it is touched
// from outside but the mailbox. Its fields are for its handlers.
type worker struct {
	engine   *Engine
	poller   *poller
	mailbox  *mailbox
	mailed   bool // there is something in the mailbox
	handlers []Handler
	clock    func() time.Duration // since before the engine was made

	// When the latest turn began, and the worker's thread, for others to read.
	turned atomic.Int64
	thread atomic.Int64

	now    time.Duration
	tick   uint32 // of tickLength each, never 0
	ticked bool   // the tick is new in this turn
	events int    // in this turn
	quiet  bool   // nothing has happened for as long as glance said
	// glance, if above 0, is for how long to wait first, without telling the Go
	// scheduler. A handler sets it in each turn.
	glance time.Duration
	// lively counts the turns that began soon after the one before.
	lively  uint8
	stopped bool

	// What the kernel reads and writes.
	buffer   [bufferSize]byte
	peer, to sockaddr
}

func newWorker(e *Engine) (*worker, error) {
	w := &worker{engine: e, clock: e.options.Clock}
	if w.clock == nil {
		w.clock = e.sinceStart
	}
	w.readClock()
	var err error
	if w.poller, err = newPoller(); err != nil {
		return nil, err
	}
	if w.mailbox, err = newMailbox(); err != nil {
		w.poller.close()
		return nil, err
	}
	w.poller.control(unix.EPOLL_CTL_ADD, w.mailbox.fd, unix.EPOLLIN, wokenUp, 0)
	for i, half := range e.halves {
		w.handlers = append(w.handlers, half.handler(w, Events{w.poller, int32(i) << idBits}))
	}
	return w, nil
}

// of returns the handler of a type that a worker has.
func of[H Handler](w *worker) (h H) {
	for _, any := range w.handlers {
		if it, ok := any.(H); ok {
			return it
		}
	}
	return h
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

// turn waits for events, for so many milliseconds at most, and does what they
// make possible.
func (w *worker) turn(limit int) {
	events := w.sleep(limit)
	w.events = len(events)
	before := w.tick
	w.readClock()
	if w.ticked = w.tick != before; w.ticked {
		for _, h := range w.handlers {
			h.Tick()
		}
	}
	for i := range events {
		if ev := &events[i]; ev.Fd == wokenUp {
			w.mailed = true
		} else {
			w.handlers[ev.Fd>>idBits].Event(ev.Fd&(1<<idBits-1), uint32(ev.Pad), ev.Events)
		}
	}
	if w.mailed {
		// Not among the events: one that follows could be about a socket
		// that has made room for another.
		w.mailed = false
		w.mailbox.open()
	}
	for _, h := range w.handlers {
		h.Turn()
	}
}

// sleep waits for events, for so many milliseconds at most.
func (w *worker) sleep(limit int) []unix.EpollEvent {
	if w.quiet = false; limit == 0 || w.glance == 0 {
		return w.poller.wait(limit, w.lively == livelyAfter)
	}
	events := w.poller.glance(w.glance)
	w.quiet = len(events) == 0
	return events
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
	n, ok := 0, false
	for _, h := range w.handlers {
		if due, any := h.Next(); any && (due < n || !ok) {
			n, ok = due, true
		}
	}
	if !ok {
		return -1
	}
	until := time.Duration(w.tick-1+uint32(n))*tickLength - w.now
	return max(0, int((until+time.Millisecond-1)/time.Millisecond))
}

// post has the worker do something in its next turn. It is false for one that
// has ended. post may be called from any goroutine, and does not wait.
func (w *worker) post(f func()) bool { return w.mailbox.post(f) }

// stop has the worker end. It may be called from any goroutine, and does not
// wait.
func (w *worker) stop() { w.post(func() { w.stopped = true }) }

// shut ends everything.
func (w *worker) shut() {
	w.mailbox.close()
	for _, h := range w.handlers {
		h.Shut()
	}
	w.poller.close()
}

// reachesItself reports whether a socket has been connected to itself: what
// comes of connecting to a port of this host that nobody listens at, when the
// kernel happens to choose it for the other end too.
func (w *worker) reachesItself(fd int32, to netip.AddrPort) bool {
	return w.engine.ephemeral.Load().has(to.Port()) && nameOf(fd, &w.to) == 0 && w.to.addr() == to
}
