package table

import (
	"cmp"
	"net/netip"
	"slices"
)

// A queue holds the clients that wait for a place because every server that could
// take them has as many connections as its MaxConn. The lock of its service
// guards it. Between two changes of the service no client waits while there is a
// place that it could have.
type queue struct {
	lines   []*line
	waiting int
	joined  uint64 // ever
	// kin are the waiters of each client that persistence knows, since the real
	// server of one decides where the others have to wait.
	kin map[netip.Addr]map[*Waiter]struct{}
	// changed: there may be a place for a waiter.
	changed bool
	called  []*Waiter // those to be notified
}

// A line is the waiters that wait for the same places, in the order in which
// they came.
type line struct {
	server      *Server   // where persistence keeps them; nil is any
	tried       []*Server // excluded
	first, last *Waiter
}

// of reports whether l is the line of waiters that are kept at server and have
// tried these.
func (l *line) of(server *Server, tried []*Server) bool {
	if server != nil || l.server != nil {
		return l.server == server
	}
	return len(l.tried) == len(tried) && !slices.ContainsFunc(tried, func(sv *Server) bool {
		return !slices.Contains(l.tried, sv)
	})
}

// find returns the line for them, a new one if there is none.
func (q *queue) find(server *Server, tried []*Server) *line {
	for _, l := range q.lines {
		if l.of(server, tried) {
			return l
		}
	}
	l := &line{server: server, tried: tried}
	q.lines = append(q.lines, l)
	return l
}

// insert adds w in the order of arrival.
func (l *line) insert(w *Waiter) {
	before := l.last
	for before != nil && before.turn > w.turn {
		before = before.before
	}
	w.line, w.before = l, before
	if before == nil {
		w.after, l.first = l.first, w
	} else {
		w.after, before.after = before.after, w
	}
	if w.after == nil {
		l.last = w
	} else {
		w.after.before = w
	}
}

// remove removes w from its line, and the line with its last waiter.
func (q *queue) remove(w *Waiter) {
	l := w.line
	if w.before == nil {
		l.first = w.after
	} else {
		w.before.after = w.after
	}
	if w.after == nil {
		l.last = w.before
	} else {
		w.after.before = w.before
	}
	w.line, w.before, w.after = nil, nil, nil
	if l.first == nil {
		q.lines = slices.DeleteFunc(q.lines, func(other *line) bool { return other == l })
	}
}

// all returns all waiters, in the order of arrival.
func (q *queue) all() []*Waiter {
	all := make([]*Waiter, 0, q.waiting)
	for _, l := range q.lines {
		for w := l.first; w != nil; w = w.after {
			all = append(all, w)
		}
	}
	return inTurn(all)
}

func inTurn(ws []*Waiter) []*Waiter {
	slices.SortFunc(ws, func(a, b *Waiter) int { return cmp.Compare(a.turn, b.turn) })
	return ws
}

// know and disown maintain kin.
func (q *queue) know(w *Waiter, client netip.Addr) {
	if q.kin == nil {
		q.kin = map[netip.Addr]map[*Waiter]struct{}{}
	}
	if q.kin[client] == nil {
		q.kin[client] = map[*Waiter]struct{}{}
	}
	q.kin[client][w] = struct{}{}
	w.kin = client
}

func (q *queue) disown(w *Waiter) {
	delete(q.kin[w.kin], w)
	if len(q.kin[w.kin]) == 0 {
		delete(q.kin, w.kin)
	}
}

// take returns the waiters to be notified. The caller notifies them when the lock
// is free.
func (q *queue) take() []*Waiter {
	called := q.called
	q.called = nil
	return called
}

func tellAll(called []*Waiter) {
	for _, w := range called {
		w.tell(w)
	}
}
