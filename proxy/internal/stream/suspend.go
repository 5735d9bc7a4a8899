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
	if p.Room(&l.service.Quota) && p.Dequeue(&l.waiter) { // one has just become free
		a.worker.Post(func() { a.retry(l) })
	}
}

// retry accepts again at a listener that has waited and is no longer in the
// queue. If it does not use the place another listener may try.
func (a *acceptor) retry(l *listener) {
	if a.listeners[l.slot] != l {
		return // closed
	}
	p := a.h.fwd.limiter
	if l.suspended {
		if a.paused {
			p.Enqueue(&l.waiter) // there are places, but no descriptors
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

// unsuspend ends the wait of a listener.
func (a *acceptor) unsuspend(l *listener) {
	l.suspended = false
	a.suspended--
}

// retryAll lets all listeners that wait try again, because the places of each
// service change when services come or go.
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
