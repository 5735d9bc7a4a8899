package loop

import "sync/atomic"

// A UDPService is a virtual service that is forwarded by UDP.
type UDPService struct {
	Service
	// Answer returns what the built-in sorry server sends back for a datagram,
	// nil for nothing. It must neither wait nor keep the datagram. nil refuses.
	Answer func(datagram []byte) []byte

	epoch    atomic.Uint32
	refusing refusals
}

// Changed has every flow see with its next datagram whether its real server is
// still there. It has to be called after real servers have been taken out of
// the books.
func (s *UDPService) Changed() { s.epoch.Add(1) }
