package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// acceptShare is the number of connections accepted from one listener before
// others are served.
const acceptShare = 64

// A listener is one worker's part of a Listener.
type listener struct {
	fd        int32
	slot      int32
	service   *Service
	armed     bool          // clients make an event
	suspended bool          // there is no place for clients
	waiter    engine.Waiter // its entry in the queue while it is suspended
}

// An acceptor accepts the clients of a worker's listeners.
type acceptor struct {
	h      *handler
	worker *engine.Worker

	listeners []*listener
	suspended int // listeners that wait for a place
	paused    bool
	resumeAt  uint32 // tick at which to accept again
	reserve   reserve
	poll      unix.PollFd // what the kernel writes
}

// listen begins to accept.
func (a *acceptor) listen(fd int32, s *Service) error {
	place := len(a.listeners)
	for i, l := range a.listeners {
		if l == nil {
			place = i
			break
		}
	}
	l := &listener{fd: fd, slot: int32(place), service: s}
	l.waiter = engine.Waiter{Quota: &s.Quota, Ready: func() { a.worker.Post(func() { a.retry(l) }) }}
	if e := a.h.events.Add(fd, 0, engine.Subject|l.slot, 0); e != 0 {
		return e
	}
	if place == len(a.listeners) {
		a.listeners = append(a.listeners, nil)
	}
	a.listeners[place] = l
	a.arm(l)
	return nil
}

// arm asks for events of a listener if there is a place for clients.
func (a *acceptor) arm(l *listener) {
	want := !a.paused && !l.suspended
	if want == l.armed {
		return
	}
	l.armed = want
	events := uint32(0)
	if want {
		events = unix.EPOLLIN
	}
	a.h.events.Change(l.fd, events, engine.Subject|l.slot, 0)
}

// closeListener accepts the queued clients for which there are places, and closes
// the socket.
func (a *acceptor) closeListener(fd int32) {
	for i, l := range a.listeners {
		if l != nil && l.fd == fd {
			a.acceptUpTo(l, 1<<30)
			if l.suspended {
				a.h.fwd.limiter.Dequeue(&l.waiter)
				a.unsuspend(l)
			}
			a.listeners[i] = nil
			a.h.events.Forget(fd)
			engine.CloseFD(fd)
		}
	}
}

// acceptUpTo accepts up to n connections. It acquires a place before it accepts.
func (a *acceptor) acceptUpTo(l *listener, n int) {
	if l.suspended {
		return
	}
	places, s := a.h.fwd.limiter, &l.service.Quota
	for i := range n {
		if !places.Acquire(s) {
			if i == 0 || ready(l.fd, &a.poll) {
				a.suspend(l)
			}
			return
		}
		fd, e := a.acceptOne(l)
		if e == 0 {
			a.h.begin(l.service, fd)
			a.h.accepted = true
			continue
		}
		if e != unix.EAGAIN {
			places.Give(s)
			places.Vacate()
		}
		switch e {
		case unix.EAGAIN:
			places.Release(s)
			return
		case unix.EINTR, unix.ECONNABORTED, unix.EPERM, unix.EPROTO, unix.ENOPROTOOPT, unix.EOPNOTSUPP,
			unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENONET, unix.ETIMEDOUT:
			// accept(2): an error of this one client.
		default:
			a.pause()
			a.h.fwd.cannotAccept(l.service, e)
			return
		}
	}
}

// acceptOne accepts a client if a descriptor is left for the real server, too.
func (a *acceptor) acceptOne(l *listener) (int32, unix.Errno) {
	if !a.refillReserve() {
		return engine.None, unix.EMFILE
	}
	return accept(l.fd, &a.worker.Peer)
}

// pause stops accepting for a tick.
func (a *acceptor) pause() {
	a.resumeAt = a.worker.Tick + 2 // the next tick may begin at once
	if a.paused {
		return
	}
	a.paused = true
	a.h.fwd.pauses.Add(1)
	a.armAll()
}

// resume accepts again after a pause, if there are descriptors.
func (a *acceptor) resume() {
	if !a.paused || int32(a.resumeAt-a.worker.Tick) > 0 || !a.refillReserve() {
		return
	}
	a.paused = false
	a.armAll()
}

func (a *acceptor) armAll() {
	for _, l := range a.listeners {
		if l != nil {
			a.arm(l)
		}
	}
}
