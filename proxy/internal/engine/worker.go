package engine

import (
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// BufferSize is the number of bytes read at a time.
const BufferSize = 64 << 10

// A Worker is one event loop on a thread of its own. Other goroutines use nothing of
// it but the mailbox. Its fields are for its handlers.
type Worker struct {
	Engine   *Engine
	poller   *poller
	mailbox  *mailbox
	mailed   bool // there is something in the mailbox
	handlers []Handler
	clock    func() time.Duration // since before the engine was made

	// When the latest iteration began, and the worker's thread, for others to read.
	iterated atomic.Int64
	thread   atomic.Int64

	Now    time.Duration
	Tick   uint32 // of tickLength each, never 0
	Ticked bool   // the tick is new in this iteration
	Events int    // in this iteration
	Quiet  bool   // nothing has happened for the time of Brief
	// Brief, if above 0, is the time to wait first, without telling the Go
	// scheduler. A handler sets it in each iteration.
	Brief time.Duration
	// lively counts the iterations that began soon after the one before.
	lively  uint8
	stopped bool

	// Buffer, Peer and To are for system calls: the kernel reads and writes them.
	// Their contents are valid until the next call of a handler.
	Buffer   [BufferSize]byte
	Peer, To Sockaddr
}

// NewWorker returns a worker of e without a goroutine: the caller drives it by
// Iterate, and ends it by Shut. [Engine.Start] makes workers with goroutines.
func NewWorker(e *Engine) (*Worker, error) {
	w := &Worker{Engine: e, clock: e.options.Clock}
	if w.clock == nil {
		w.clock = e.SinceStart
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

// Of returns the worker's handler of a type.
func Of[H Handler](w *Worker) (h H) {
	for _, any := range w.handlers {
		if it, ok := any.(H); ok {
			return it
		}
	}
	return h
}

// run iterates until the worker is stopped.
func (w *Worker) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w.thread.Store(int64(unix.Gettid()))
	for !w.stopped {
		w.Iterate(w.Rest())
	}
	w.Shut()
}

// Iterate waits for events, for limit milliseconds at most, and handles them.
func (w *Worker) Iterate(limit int) {
	events := w.sleep(limit)
	w.Events = len(events)
	before := w.Tick
	w.readClock()
	if w.Ticked = w.Tick != before; w.Ticked {
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
		w.mailbox.run()
	}
	for _, h := range w.handlers {
		h.EndIteration()
	}
}

// sleep waits for events, for limit milliseconds at most.
func (w *Worker) sleep(limit int) []unix.EpollEvent {
	if w.Quiet = false; limit == 0 || w.Brief == 0 {
		return w.poller.wait(limit, w.lively == livelyAfter)
	}
	events := w.poller.waitBriefly(w.Brief)
	w.Quiet = len(events) == 0
	return events
}

// readClock sets Now and Tick.
func (w *Worker) readClock() {
	now := w.clock()
	if now-w.Now > linger*time.Millisecond {
		w.lively = 0
	} else if w.lively < livelyAfter {
		w.lively++
	}
	w.Now = now
	w.iterated.Store(int64(now))
	w.Tick = uint32(w.Now/TickLength) + 1
}

// Rest returns the milliseconds until there is something to do without an event, -1
// for never.
func (w *Worker) Rest() int {
	n, ok := 0, false
	for _, h := range w.handlers {
		if due, any := h.Next(); any && (due < n || !ok) {
			n, ok = due, true
		}
	}
	if !ok {
		return -1
	}
	until := time.Duration(w.Tick-1+uint32(n))*TickLength - w.Now
	return max(0, int((until+time.Millisecond-1)/time.Millisecond))
}

// Post lets the worker call f in its next iteration, and reports false if the
// worker has ended. Post may be called from any goroutine, and does not wait.
func (w *Worker) Post(f func()) bool { return w.mailbox.post(f) }

// Stop makes the worker end. It may be called from any goroutine, and does not
// wait.
func (w *Worker) Stop() { w.Post(func() { w.stopped = true }) }

// Shut ends everything.
func (w *Worker) Shut() {
	w.mailbox.close()
	for _, h := range w.handlers {
		h.Shut()
	}
	w.poller.close()
}

// ConnectedToItself reports whether a socket is connected to itself. That happens
// when nobody listens at a port of this host and the kernel chooses the same port
// for the other end.
func (w *Worker) ConnectedToItself(fd int32, to netip.AddrPort) bool {
	return w.Engine.ephemeral.Load().has(to.Port()) && NameOf(fd, &w.To) == 0 && w.To.Addr() == to
}
