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

	// Answer returns what the built-in sorry server sends back for a datagram,
	// nil for nothing. It must neither wait nor keep the datagram. nil refuses.
	Answer func(datagram []byte) []byte

	connect, idle atomic.Int64
	onePacket     atomic.Bool
	epoch         atomic.Uint32
	refusing      refusals
}

// SetTimeouts limits each attempt to reach a real server, and for how long
// nothing may move on a connection. It may be called at any time; connections
// that exist have the new limit within ten seconds.
func (s *Service) SetTimeouts(connect, idle time.Duration) {
	s.connect.Store(int64(connect))
	s.idle.Store(int64(idle))
}

// SetOnePacket has every datagram scheduled by itself, or not. It may be called
// at any time.
func (s *Service) SetOnePacket(on bool) { s.onePacket.Store(on) }

// Changed has every flow see with its next datagram whether its real server is
// still there. It has to be called after real servers have been taken out of
// the books.
func (s *Service) Changed() { s.epoch.Add(1) }
