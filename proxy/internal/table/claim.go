package table

import (
	"net/netip"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Claim is the place that one connection or flow has at a real server. It
// ends with Done or Failed, exactly once. The zero value is none: its Server is
// nil, and Done does nothing.
type Claim struct {
	service *Service
	server  *Server
	pin     *pin
	sorry   bool
}

// Server returns the real server.
func (c Claim) Server() *Server { return c.server }

// Addr returns the address of the real server.
func (c Claim) Addr() netip.AddrPort { return c.server.addr }

// Sorry reports whether the built-in sorry server answers for this real server.
func (c Claim) Sorry() bool { return c.sorry }

// Circular reports whether connections to the real server come back to the
// service.
func (c Claim) Circular() bool { return c.service.id.Catches(c.server.addr) }

// Removed reports whether the real server has been removed from the service
// since.
func (c Claim) Removed() bool { return c.server.removed.Load() }

// Doomed reports whether the real server is among those that the service cuts,
// see Cut of [dataplane.VirtualService].
func (c Claim) Doomed() bool { return c.server.cut.Load() }

// Cut counts a connection or flow that ends for that reason. It does not give the
// place back.
func (c Claim) Cut() {
	c.server.count.cut.Add(1)
	c.service.count.cut.Add(1)
}

// Established counts a connection or flow that has reached its real server.
func (c Claim) Established() {
	c.server.count.connections.Add(1)
	c.service.count.connections.Add(1)
}

// In counts packets and bytes from the client to the real server.
func (c Claim) In(packets, bytes uint64) {
	c.server.count.in(packets, bytes)
	c.service.count.in(packets, bytes)
}

// Out counts packets and bytes from the real server to the client.
func (c Claim) Out(packets, bytes uint64) {
	c.server.count.out(packets, bytes)
	c.service.count.out(packets, bytes)
}

// Done gives the place back.
func (c Claim) Done() {
	if c.service != nil {
		c.service.release(c)
	}
}

// Service returns the virtual service.
func (c Claim) Service() dataplane.ServiceID { return c.service.id }

// Failed counts that the real server could not be reached and gives the place
// back. It returns the number of failures since the real server was last reached.
func (c Claim) Failed() (inARow int) {
	c.server.count.failures.Add(1)
	c.service.count.failures.Add(1)
	c.service.release(c)
	return c.server.failures.add(c.server.count.connections.Load())
}
