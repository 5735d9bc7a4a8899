package stream

// hold stops accepting at a listener until there is a place for its service.
func (a *acceptor) hold(l *listener) {
	p := a.h.fwd.places
	l.held = true
	a.held++
	if l.armed {
		a.arm(l)
		p.Refuse()
		a.h.fwd.crowded(l.service)
	}
	p.Await(&l.turn)
	if p.Room(&l.service.Quota) && p.Forget(&l.turn) { // since just now
		a.worker.Post(func() { a.retry(l) })
	}
}

// retry accepts again at a listener that has waited, which has been taken out of
// the queue, and lets another one try if it leaves the place.
func (a *acceptor) retry(l *listener) {
	if a.listeners[l.place] != l {
		return // closed
	}
	p := a.h.fwd.places
	if l.held {
		if a.paused {
			p.Await(&l.turn) // there are places, and no descriptors
			return
		}
		a.unhold(l)
		a.admit(l, acceptShare)
	}
	a.arm(l)
	if !l.held && p.Shared() {
		p.Invite(nil, false)
	}
}

// unhold has a listener no longer wait.
func (a *acceptor) unhold(l *listener) {
	l.held = false
	a.held--
}

// retryAll is for places that no service has left: there may be more of them, or
// others may have them, since services have come or gone.
func (a *acceptor) retryAll() {
	if a.held == 0 || a.paused {
		return
	}
	for _, l := range a.listeners {
		if l != nil && l.held && a.h.fwd.places.Room(&l.service.Quota) && a.h.fwd.places.Forget(&l.turn) {
			a.retry(l)
		}
	}
}
