package virtual

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A Service is what an [Engine] has to know about a virtual service.
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

// Settings are what may change while a service is served.
type Settings struct {
	// Connect limits each attempt to reach a real server, Idle for how long
	// nothing may move on a connection or flow.
	Connect, Idle time.Duration
	// Queue limits for how long a client waits for a real server that is full.
	Queue time.Duration
	// KeepAlive is the silence after which a connection is asked for a sign of
	// life, in whole seconds; 0 is a minute. UserTimeout is for how long what
	// was sent may go unacknowledged; 0 is the kernel's choice. Both are for
	// new connections, those of clients see Listener.Tune.
	KeepAlive, UserTimeout time.Duration
	// OnePacket has every datagram scheduled by itself.
	OnePacket bool
	// ProxyProtocol is the version of the PROXY header that real servers get
	// first, with UDP before each datagram: then it is 2. 0 is none.
	ProxyProtocol int
	// Trusted are those whose connections and datagrams begin with a PROXY
	// header, which says who the client is; nil is nobody.
	Trusted *screen.Rules
	// Transparent has real servers see the client's address.
	Transparent bool
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

// Holding reports whether clients wait in the backlog because the service has
// as many connections as it may.
func (s *Service) Holding() bool { return s.Quota.Holding() }
