package virtual

import (
	"net/netip"
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A Service is what both halves of the proxy know about a virtual service.
type Service struct {
	Name  string
	Books *table.Service
	// Addr is where the service is, as its clients see it.
	Addr netip.AddrPort
	// Screen decides who is let in.
	Screen screen.Screen

	settings atomic.Pointer[Settings]
	refused  perMinute
	Quota    engine.Quota // of connections, or of flows
}

// Settings are what may change while a service is served: the options of the
// service, with the proxy's choice where they leave it one, and the rest of what
// its traffic is treated by.
type Settings struct {
	// Options have no QueueTimeout, ConnectTimeout or IdleTimeout of 0. A KeepAlive
	// of 0 is a minute. KeepAlive and UserTimeout are for new connections; for those
	// of clients see Listener.Tune.
	dataplane.Options
	// OnePacket means that every datagram is scheduled by itself.
	OnePacket bool
	// Trusted are those whose connections and datagrams begin with a PROXY
	// header, which says who the client is; nil is nobody.
	Trusted *screen.Rules
}

// Trusts reports whether a connection from a begins with a PROXY header.
func (s *Settings) Trusts(a netip.Addr) bool {
	return s.Trusted != nil && s.Trusted.Serve(a)
}

// Set puts settings in force. It has to be called before the service is
// listened for, and may be called at any time after; connections that exist
// have a new idle timeout within ten seconds.
func (s *Service) Set(settings Settings) { s.settings.Store(&settings) }

// Settings returns those in force.
func (s *Service) Settings() *Settings { return s.settings.Load() }

// Waiting reports whether clients wait in the backlog because the service has
// as many connections as it may.
func (s *Service) Waiting() bool { return s.Quota.Waiting() }
