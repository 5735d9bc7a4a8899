package stream

// suspend stops accepting at a listener until its service may have a connection more.
func (a *acceptor) suspend(l *listener) {
	p := a.h.fwd.limiter
	l.suspended = true
	a.suspended++
	if l.armed {
		a.arm(l)
		p.Refuse()
		a.h.fwd.reportLimit(l.service)
	}
	p.Enqueue(&l.waiter)
	if p.Room(&l.service.Quota) && p.Dequeue(&l.waiter) { // since just now
		a.worker.Post(func() { a.retry(l) })
	}
}

// retry accepts again at a listener that has waited, which has been taken out of
// the queue, and lets another one try if it leaves the place.
func (a *acceptor) retry(l *listener) {
	if a.listeners[l.slot] != l {
		return // closed
	}
	p := a.h.fwd.limiter
	if l.suspended {
		if a.paused {
			p.Enqueue(&l.waiter) // there are places, and no descriptors
			return
		}
		a.unsuspend(l)
		a.acceptUpTo(l, acceptShare)
	}
	a.arm(l)
	if !l.suspended && p.CommonFree() {
		p.WakeNext(nil, false)
	}
}

// unsuspend has a listener no longer wait.
func (a *acceptor) unsuspend(l *listener) {
	l.suspended = false
	a.suspended--
}

// retryAll is for places that no service has left: there may be more of them, or
// others may have them, since services have come or gone.
func (a *acceptor) retryAll() {
	if a.suspended == 0 || a.paused {
		return
	}
	for _, l := range a.listeners {
		if l != nil && l.suspended && a.h.fwd.limiter.Room(&l.service.Quota) && a.h.fwd.limiter.Dequeue(&l.waiter) {
			a.retry(l)
		}
	}
}
