// Package ratelimit holds back what a receiver gets too much of.
package ratelimit

import (
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// Limits hold back what a receiver gets too much of. The zero value is ready.
type Limits struct{ receivers map[string]*receiver }

// A receiver is somebody who has got something lately.
type receiver struct {
	since time.Time // the beginning of the time that the limit is for
	sent  int
	held  int
	// latest sends the latest of those that are held back; it is told how many
	// others there are.
	latest func(held int)
}

// Take calls send with how many were held back since the last one for a
// receiver. If the receiver has had as many as limit allows, it keeps send
// until the time is over: what is held back is told of then, or by the next
// one.
func (l *Limits) Take(now time.Time, limit dataplane.Rate, to string, send func(held int)) {
	if limit.Count == 0 {
		send(0)
		return
	}
	l.Due(now, limit)
	r := l.receivers[to]
	if r == nil {
		if l.receivers == nil {
			l.receivers = map[string]*receiver{}
		}
		r = &receiver{since: now}
		l.receivers[to] = r
	}
	if r.sent < limit.Count {
		r.sent++
		send(0)
		return
	}
	r.held, r.latest = r.held+1, send
}

// Due sends the latest of what is held back for receivers whose time is over,
// and forgets those for whom nothing is.
func (l *Limits) Due(now time.Time, limit dataplane.Rate) {
	for to, r := range l.receivers {
		if limit.Count > 0 && now.Sub(r.since) < limit.Per {
			continue
		}
		if r.held == 0 {
			delete(l.receivers, to)
			continue
		}
		r.latest(r.held - 1)
		*r = receiver{since: now, sent: 1}
	}
}

// Flush sends the latest of what is held back for every receiver, at a stop.
func (l *Limits) Flush() {
	for _, r := range l.receivers {
		if r.held > 0 {
			r.latest(r.held - 1)
		}
	}
	l.receivers = nil
}
