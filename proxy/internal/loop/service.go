package loop

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A Service is what an [Engine] has to know about a virtual service.
type Service struct {
	Name  string
	Books *table.Service
	// Sorry answers in place of the built-in sorry server. It owns and closes
	// the connection, and is called from a goroutine of its own. nil refuses.
	Sorry func(net.Conn)

	connect, idle atomic.Int64
}

// SetTimeouts limits each attempt to reach a real server, and for how long
// nothing may move on a connection. It may be called at any time; connections
// that exist have the new limit within ten seconds.
func (s *Service) SetTimeouts(connect, idle time.Duration) {
	s.connect.Store(int64(connect))
	s.idle.Store(int64(idle))
}
