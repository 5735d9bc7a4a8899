package loop

import (
	"net"
	"sync/atomic"
)

// A TCPService is a virtual service that is forwarded by TCP.
type TCPService struct {
	Service
	// Sorry answers in place of the built-in sorry server. It owns and closes
	// the connection, and is called from a goroutine of its own. nil refuses.
	Sorry func(net.Conn)

	vigil  atomic.Pointer[vigil]
	pieces atomic.Int32 // connections for which answers in pieces are expected
}

// Set is that of [Service].
func (s *TCPService) Set(settings Settings) {
	v := newVigil(settings.KeepAlive, settings.UserTimeout)
	s.vigil.Store(&v)
	s.Service.Set(settings)
}
