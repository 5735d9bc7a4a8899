package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A sorry listener does not leave the kernel as soon as a real server is back:
// clients that are connected to it, or are about to be, would get no answer. It
// stays with weight 0 until it has been idle for a while.
const (
	drainIdle = time.Second // in which handshakes that have begun are over
	// drainLimit is how long a listener stays at most: the sorry server itself
	// serves no client for longer. With persistence, which brings clients back to
	// a real server with weight 0, the limit is drainPersistent.
	drainLimit, drainPersistent = 40 * time.Second, 3 * time.Second
	drainPeriod                 = 100 * time.Millisecond // between two looks
)

// A draining is a sorry listener that stays for the clients it has.
type draining struct {
	listener *sorryListener
	want     dataplane.VirtualService // without the listener
	stop     chan struct{}            // closed when it need not leave any more
}

// withDraining returns w with the listener that is no longer used, if there is
// one, and removes that later. listening means that w uses a listener.
func (ls *sorryListeners) withDraining(id dataplane.ServiceID, w dataplane.VirtualService, listening bool) dataplane.VirtualService {
	dr := ls.draining[id]
	if dr == nil && (listening || !ls.inKernel[id] || id.Protocol == dataplane.UDP) {
		return w
	}
	if listening {
		ls.stopDraining(id)
		return w
	}
	if dr == nil {
		dr = &draining{listener: ls.open[id], stop: make(chan struct{})}
		ls.draining[id] = dr
		ls.wg.Go(func() { ls.awaitDrained(id, dr, time.Now()) })
	}
	dr.want = w.Clone()
	return dr.listener.withWeightZero(w)
}

// withWeightZero returns w with the listener as a real server that gets no new
// clients.
func (l *sorryListener) withWeightZero(w dataplane.VirtualService) dataplane.VirtualService {
	r := l.real
	r.Weight = 0
	if !slices.ContainsFunc(w.RealServers, func(o dataplane.RealServer) bool { return o.Addr == r.Addr }) {
		w.RealServers = append(w.RealServers, r)
	}
	return w
}

// stopDraining leaves a draining listener where it is.
func (ls *sorryListeners) stopDraining(id dataplane.ServiceID) {
	if dr := ls.draining[id]; dr != nil {
		close(dr.stop)
		delete(ls.draining, id)
	}
}

// awaitDrained removes a listener from the kernel when it has been idle for a
// while, or its time is over.
func (ls *sorryListeners) awaitDrained(id dataplane.ServiceID, dr *draining, began time.Time) {
	tick := time.NewTicker(drainPeriod)
	defer tick.Stop()
	for {
		select {
		case <-dr.stop:
			return
		case <-tick.C:
		}
		since, idle := dr.listener.idle()
		drained := idle && time.Since(since) > drainIdle && time.Since(began) > drainIdle
		if (drained || ls.overdue(dr, began)) && ls.removeDrained(id, dr) {
			return
		}
	}
}

// overdue reports whether a listener has stayed for as long as it may.
func (ls *sorryListeners) overdue(dr *draining, began time.Time) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	limit := drainLimit
	if dr.want.Persistent > 0 {
		limit = drainPersistent
	}
	return time.Since(began) > limit
}

// removeDrained removes a listener from the kernel. It returns false if that has
// to be tried again.
func (ls *sorryListeners) removeDrained(id dataplane.ServiceID, dr *draining) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.draining[id] != dr {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	if err := ls.kernelPlane.Apply(ctx, dr.want); err != nil {
		ls.log.Warn("sorry server stays in the kernel for now", "service", id.String(), "err", err)
		return false
	}
	ls.applied[id] = dr.want
	delete(ls.inKernel, id)
	delete(ls.draining, id)
	return true
}
