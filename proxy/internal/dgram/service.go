package dgram

import (
	"sync/atomic"

	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A Service is a virtual service whose clients send datagrams.
type Service struct {
	virtual.Service
	// Answer returns what the built-in sorry server sends back for a datagram,
	// nil for nothing. It must neither wait nor keep the datagram. nil refuses.
	Answer func(datagram []byte) []byte

	epoch     atomic.Uint32
	penalties penalties
}

// Changed makes every flow check with its next datagram that its real server is
// still there. It has to be called after real servers were removed from the
// books.
func (s *Service) Changed() { s.epoch.Add(1) }
