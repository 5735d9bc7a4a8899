package proxy

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

const (
	// defaultConnect limits an attempt to reach a real server if the service
	// sets no limit.
	defaultConnect = 5 * time.Second
	// defaultQueue limits how long a client waits for a real server likewise.
	defaultQueue = 5 * time.Second
	// The timeouts of IPVS for established TCP connections and UDP flows.
	defaultIdleTCP = 15 * time.Minute
	defaultIdleUDP = 5 * time.Minute
)

// A service is a virtual service: its books and the front for its traffic.
type service struct {
	plane *Dataplane
	id    dataplane.ServiceID
	name  string
	table *table.Service
	front front
	// shared is the part that workers use.
	shared *virtual.Service
	// closing reports that the service is removed but a worker has not closed
	// its socket yet.
	closing bool
	// rules decide who may connect, trusted who sends PROXY headers.
	rules, trusted parsedRules
}

// A front accepts the traffic of one service. Its methods return an error if a
// worker is not done before ctx is.
type front interface {
	// listen begins to accept. It is called first and once.
	listen(ctx context.Context) error
	// set puts settings in force.
	set(virtual.Settings)
	// changed has to be called after real servers have left the books.
	changed()
	// cut ends connections and flows to real servers that the books cut. It
	// returns nil when that is done, or ctx's error.
	cut(ctx context.Context) error
	// drain refuses new connections and flows; all workers do so when it has
	// returned nil. Existing ones go on.
	drain(ctx context.Context) error
	// tune applies the settings of the service to new clients. A worker that is
	// late does its part later.
	tune(ctx context.Context)
	// close is drain, and releases the address. When it has returned nil nothing
	// more is read from it. Both may be called again.
	close(ctx context.Context) error
}

func newService(d *Dataplane, v dataplane.VirtualService) *service {
	s := &service{plane: d, id: v.ID, name: v.ID.String(), table: table.New(v)}
	if v.ID.Protocol == dataplane.UDP {
		s.front, s.shared = newUDPFront(s)
	} else {
		s.front, s.shared = newTCPFront(s)
	}
	s.shared.Name, s.shared.Books, s.shared.Addr = s.name, s.table, unmap(v.ID.Addr)
	s.configure(v)
	return s
}

// apply puts v into force.
func (s *service) apply(ctx context.Context, v dataplane.VirtualService) {
	was := s.table.Spec()
	s.table.Update(v)
	s.configure(v)
	s.front.changed()
	if was.KeepAlive != v.KeepAlive || was.UserTimeout != v.UserTimeout {
		s.front.tune(ctx)
	}
}

func (s *service) configure(v dataplane.VirtualService) {
	set := virtual.Settings{Options: v.Options, OnePacket: v.OnePacket, Trusted: s.trusts(v)}
	idle := defaultIdleTCP
	if v.ID.Protocol == dataplane.UDP {
		idle = defaultIdleUDP
	}
	set.ConnectTimeout = cmp.Or(set.ConnectTimeout, defaultConnect)
	set.IdleTimeout = cmp.Or(set.IdleTimeout, idle)
	set.QueueTimeout = cmp.Or(set.QueueTimeout, defaultQueue)
	s.front.set(set)
	s.screen(v)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
