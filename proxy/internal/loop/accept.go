package loop

import "golang.org/x/sys/unix"

// acceptShare is how many connections a listener may give before it is the
// turn of others.
const acceptShare = 64

// A listener is one worker's part of a Listener.
type listener struct {
	fd      int32
	service *Service
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
	if e := w.poller.control(unix.EPOLL_CTL_ADD, fd, w.welcome(), int32(wokenUp-1-place), 0); e != 0 {
		return e
	}
	if place == len(w.listeners) {
		w.listeners = append(w.listeners, nil)
	}
	w.listeners[place] = &listener{fd: fd, service: s}
	return nil
}

// welcome is what listeners are registered for.
func (w *worker) welcome() uint32 {
	if w.paused {
		return 0
	}
	return unix.EPOLLIN
}

// close takes what has been queued and no more.
func (w *worker) close(fd int32) {
	for i, l := range w.listeners {
		if l != nil && l.fd == fd {
			w.admit(l, 1<<30)
			w.listeners[i] = nil
			w.poller.forget(fd)
			closeFD(fd)
		}
	}
}

// admit takes up to n connections.
func (w *worker) admit(l *listener, n int) {
	for range n {
		fd, e := w.take(l)
		switch e {
		case 0:
			w.begin(l.service, fd)
		case unix.EAGAIN:
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
	for i, l := range w.listeners {
		if l != nil {
			w.poller.control(unix.EPOLL_CTL_MOD, l.fd, w.welcome(), int32(wokenUp-1-i), 0)
		}
	}
}
