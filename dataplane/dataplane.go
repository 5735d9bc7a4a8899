package dataplane

import (
	"context"
	"net/netip"
	"slices"
)

// A Dataplane forwards the traffic of virtual services to their real servers.
//
// All methods may be called from several goroutines at once.
type Dataplane interface {
	// Apply makes the dataplane serve want exactly as it says, creating or
	// changing it in place: additions and weights first, removals last.
	// Connections that exist keep their real server, also when it is
	// quiescent or removed. UDP flows to a removed real server go to another
	// one with their next datagram. Applying an equal service again writes
	// nothing; after an error, applying it again is always safe. Services
	// that were never applied here belong to somebody else and are not
	// touched. The dataplane keeps no reference to want's slices.
	Apply(ctx context.Context, want VirtualService) error

	// Remove stops serving id: new connections are refused when it returns.
	// Removing a service that does not exist is no error.
	Remove(ctx context.Context, id ServiceID) error

	// Snapshot reads back what is served now, with counters, ordered by
	// service. The result belongs to the caller.
	Snapshot(ctx context.Context) ([]ServiceStatus, error)

	// Close frees resources and ends every connection that this process
	// carries itself; what the kernel holds stays programmed. After Close
	// every method returns ErrClosed, Close itself returns nil.
	Close() error
}

// A Drainer is a Dataplane whose connections end with this process, so that a
// graceful stop has to wait for them.
type Drainer interface {
	// End resets the connections of services that were removed, which would
	// go on until Close. It returns when that is done, or ctx's error.
	End(ctx context.Context) error
	// Drain stops taking new connections for every service and waits until
	// the existing ones have ended or ctx is done, whichever comes first. It
	// returns ctx's error in the second case. Close still has to be called.
	Drain(ctx context.Context) error
}

// A Finder is a Dataplane that can hold services from before this process: those
// of a predecessor, or of another program.
type Finder interface {
	// Find returns those of ids that are served, by whatever program, as they are
	// served, without adopting them.
	Find(ctx context.Context, ids []ServiceID) ([]VirtualService, error)
}

// A Looker is a Dataplane that reads one service for less than Snapshot costs.
type Looker interface {
	// Look returns what Snapshot says of id, the zero value for a service that it
	// does not list. The result belongs to the caller.
	Look(ctx context.Context, id ServiceID) (ServiceStatus, error)
}

// Look reads one service of d: by [Looker] where it is one, else from a Snapshot.
func Look(ctx context.Context, d Dataplane, id ServiceID) (ServiceStatus, error) {
	if l, ok := d.(Looker); ok {
		return l.Look(ctx, id)
	}
	all, err := d.Snapshot(ctx)
	i := slices.IndexFunc(all, func(st ServiceStatus) bool { return st.Service.ID == id })
	if i < 0 {
		return ServiceStatus{}, err
	}
	return all[i], err
}

// An Observer is a Dataplane that makes the connections to real servers itself,
// and sees which of them fail.
type Observer interface {
	// Observe registers f. It is called when ErrorLimit attempts in a row to
	// connect to a real server of a service have failed, and again after as many
	// more, from any goroutine, and must not block. Observe is called before the
	// first Apply.
	Observe(f func(id ServiceID, server netip.AddrPort))
}

// An Auditor is a Dataplane whose services other programs can change.
type Auditor interface {
	// Audit compares services that were applied here with what is in force, and
	// returns those that another program has changed. Where there are many it may
	// take several calls until each has been compared in full. No Apply waits for
	// it.
	Audit(ctx context.Context) ([]Drift, error)
}

// A Drift is a service that is no longer as it was applied.
type Drift struct {
	Service ServiceID
	Changes []string         // as in ServiceStatus
	Missing []netip.AddrPort // as in ServiceStatus
}
