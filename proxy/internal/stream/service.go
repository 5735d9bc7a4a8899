package stream

import (
	"net"
	"sync/atomic"

	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A Service is a virtual service whose clients connect by TCP.
type Service struct {
	virtual.Service
	// Sorry answers in place of the built-in sorry server. It owns and closes
	// the connection, and is called from a goroutine of its own. nil refuses.
	Sorry func(net.Conn)

	keepalive atomic.Pointer[keepalive]
	pieces    atomic.Int32 // connections for which answers in pieces are expected
}

// Set puts settings in force, see [virtual.Service.Set].
func (s *Service) Set(settings virtual.Settings) {
	v := newKeepalive(settings.KeepAlive, settings.UserTimeout)
	s.keepalive.Store(&v)
	s.Service.Set(settings)
}
