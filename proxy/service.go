package proxy

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// What the kernel's IPVS gives established TCP connections and UDP flows.
const (
	defaultIdleTCP = 15 * time.Minute
	defaultIdleUDP = 5 * time.Minute
)

// A service is a virtual service: its books and what accepts its traffic.
type service struct {
	plane *Dataplane
	id    dataplane.ServiceID
	name  string
	table *table.Service
	front front

	connect, idle atomic.Int64
	onePacket     atomic.Bool
}

// A front accepts the traffic of one service.
type front interface {
	// drain refuses new connections and flows from when it returns on.
	// Those that exist go on.
	drain()
	// close is drain, and gives the address back. It returns when nothing
	// more is read from it. Both may be called again.
	close()
}

func newService(d *Dataplane, v dataplane.VirtualService) *service {
	s := &service{plane: d, id: v.ID, name: v.ID.String(), table: table.New(v)}
	s.configure(v)
	return s
}

// listen makes the front.
func (s *service) listen(ctx context.Context) error {
	var err error
	if s.id.Protocol == dataplane.UDP {
		s.front, err = listenFlows(ctx, s)
	} else {
		s.front, err = listenSessions(ctx, s)
	}
	return err
}

// apply puts v into force.
func (s *service) apply(v dataplane.VirtualService) {
	s.table.Update(v)
	s.configure(v)
}

func (s *service) configure(v dataplane.VirtualService) {
	idle := defaultIdleTCP
	if v.ID.Protocol == dataplane.UDP {
		idle = defaultIdleUDP
	}
	s.connect.Store(int64(cmp.Or(v.ConnectTimeout, defaultConnect)))
	s.idle.Store(int64(cmp.Or(v.IdleTimeout, idle)))
	s.onePacket.Store(v.OnePacket)
}

func (s *service) idleTimeout() time.Duration { return time.Duration(s.idle.Load()) }

// sorry reports whether the built-in sorry server is to answer: always
// without an address, otherwise when the address has been tried.
func (s *service) sorry(c table.Claim, tried []*table.Server) bool {
	return c.Sorry() && (c.Addr() == netip.AddrPort{} || slices.Contains(tried, c.Server()))
}

// dial connects to a real server within the service's limit.
func (s *service) dial(ctx context.Context, addr netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: time.Duration(s.connect.Load()), KeepAliveConfig: keepAlive}
	// Dialer.DialTCP would bind the local end to a port first, which halves
	// how many there can be.
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// addrPort returns a with IPv4 as IPv4.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return unmap(tcp.AddrPort())
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
