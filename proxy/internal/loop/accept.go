package loop

import "golang.org/x/sys/unix"

// acceptShare is how many connections a listener may give before it is the
// turn of others.
const acceptShare = 64

// A listener is one worker's part of a Listener.
type listener struct {
	fd      int32
	place   int32
	worker  *worker
	service *Service
	armed   bool // an event tells of clients
	held    bool // there is no place for them
}

// open begins to accept.
func (w *worker) open(fd int32, s *Service) error {
	place := len(w.listeners)
	for i, l := range w.listeners {
		if l == nil {
			place = i
			break
		}
	}
	l := &listener{fd: fd, place: int32(place), worker: w, service: s}
	if e := w.poller.control(unix.EPOLL_CTL_ADD, fd, 0, int32(wokenUp-1-place), 0); e != 0 {
		return e
	}
	if place == len(w.listeners) {
		w.listeners = append(w.listeners, nil)
	}
	w.listeners[place] = l
	w.arm(l)
	return nil
}

// arm has events tell of the clients of a listener if they can be taken in.
func (w *worker) arm(l *listener) {
	want := !w.paused && !l.held
	if want == l.armed {
		return
	}
	l.armed = want
	events := uint32(0)
	if want {
		events = unix.EPOLLIN
	}
	w.poller.control(unix.EPOLL_CTL_MOD, l.fd, events, wokenUp-1-l.place, 0)
}

// close takes what has been queued and no more, as far as there are places.
func (w *worker) close(fd int32) {
	for i, l := range w.listeners {
		if l != nil && l.fd == fd {
			w.admit(l, 1<<30)
			if l.held {
				w.engine.places.queue.remove(l)
				w.unhold(l)
			}
			w.listeners[i] = nil
			w.poller.forget(fd)
			closeFD(fd)
		}
	}
}

// admit takes up to n connections, each with a place that there is before it.
func (w *worker) admit(l *listener, n int) {
	if l.held {
		return
	}
	places, s := &w.engine.places, &l.service.quota
	for i := range n {
		if !places.take(s) {
			if i == 0 || ready(l.fd, &w.poll) {
				w.hold(l)
			}
			return
		}
		fd, e := w.take(l)
		if e == 0 {
			w.begin(l.service, fd)
			w.calm = false
			continue
		}
		if e != unix.EAGAIN {
			places.give(s)
			places.vacate()
		}
		switch e {
		case unix.EAGAIN:
			places.leave(s)
			return
		case unix.EINTR, unix.ECONNABORTED, unix.EPERM, unix.EPROTO, unix.ENOPROTOOPT, unix.EOPNOTSUPP,
			unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENONET, unix.ETIMEDOUT:
			// accept(2): what has become of this one client.
		default:
			w.pause()
			w.engine.cannotAccept(l.service, e)
			return
		}
	}
}

// take accepts, while a descriptor is left for the real server, too.
func (w *worker) take(l *listener) (int32, unix.Errno) {
	if !w.restock() {
		return none, unix.EMFILE
	}
	return accept(l.fd, &w.peer)
}

// pause stops accepting for a tick.
func (w *worker) pause() {
	w.resume = w.tick + 2 // the next one may begin at once
	if w.paused {
		return
	}
	w.paused = true
	w.engine.pauses.Add(1)
	w.greet()
}

// recover accepts again after a pause, if there are descriptors.
func (w *worker) recover() {
	if !w.paused || int32(w.resume-w.tick) > 0 || !w.restock() {
		return
	}
	w.paused = false
	w.greet()
}

func (w *worker) greet() {
	for _, l := range w.listeners {
		if l != nil {
			w.arm(l)
		}
	}
}
