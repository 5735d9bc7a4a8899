package dataplanetest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Lab is the place where the suite runs. It must not change meanwhile; the
// suite picks other ports for every promise.
type Lab struct {
	// Open returns a new dataplane of the director. It is closed by the suite,
	// after its services have been removed. A dataplane with the method
	// Writes() uint64, the number of changes it has made so far, is held to
	// writing nothing where nothing changes.
	Open func(testing.TB) dataplane.Dataplane

	// VIP4 and VIP6 are addresses that clients reach at the director. A family
	// without one is not tested.
	VIP4, VIP6 netip.Addr

	// Forward is how real servers are reached. With Masq every real server
	// listens on a port of its own, otherwise on that of the service.
	Forward dataplane.Forward

	// Director is where a program competing for a port would run.
	Director Host

	// Clients are at least three. Where their addresses differ, the first two
	// share a /24 or a /64 and the third is outside.
	Clients []Host

	// Servers are at least three.
	Servers []Host

	// Patience is how long anything may take that has to come, where that is
	// longer than on a machine of its own. 0 is 20 seconds.
	Patience time.Duration

	// Parallel runs the families at the same time, which takes hosts that are
	// not short of anything.
	Parallel bool

	// OnlyForwarded restricts the suite to the promises that depend on Forward.
	// It is for a dataplane that is held to all of them with another Forward.
	OnlyForwarded bool

	// Lacks are the promises that the dataplane need not keep.
	Lacks Lacks
}

// A Host is where the suite opens sockets. Hosts may be one machine with
// several addresses, or even one address.
type Host struct {
	// V4 and V6 are where the host is reached and what it sends from.
	V4, V6 netip.Addr
	// Bind4 and Bind6 are where its servers listen, if not on V4 and V6: the
	// VIP with direct routing and tunnelling.
	Bind4, Bind6 netip.Addr
	// Do runs the function where sockets it opens are the host's, and returns
	// its error. Nil is where the test runs.
	Do func(func() error) error
}

// Lacks are exceptions from the contract, each with its reason.
type Lacks struct {
	// CutsRemoved says that connections to a removed real server end, as
	// those of IPVS do when the destination is deleted.
	CutsRemoved bool

	// ForwardsPackets says that the dataplane makes no connections itself. It
	// need not be a Drainer, has timeouts of its own, counts bytes with their
	// headers, does not notice a real server that refuses, does not count
	// refused clients, and its connections go on when it is closed.
	ForwardsPackets bool

	// OneWay says that replies go past the director, so that it counts none.
	OneWay bool

	// RemembersEnded says that ended connections count for minutes, as those
	// in TIME_WAIT do in IPVS: against thresholds, and for persistence.
	RemembersEnded bool

	// NewestFirst says that a real server which is added to a service comes
	// before the others in turn, whatever the configuration says.
	NewestFirst bool

	// NoOnePacket says that OnePacket cannot be had with Lab.Forward.
	NoOnePacket bool
}

// addr returns where the host is, in the family.
func (h Host) addr(six bool) netip.Addr {
	if six {
		return h.V6
	}
	return h.V4
}

// bind returns where the host's servers listen.
func (h Host) bind(six bool) netip.Addr {
	b := h.Bind4
	if six {
		b = h.Bind6
	}
	if b.IsValid() {
		return b
	}
	return h.addr(six)
}

func (h Host) do(fn func() error) error {
	if h.Do == nil {
		return fn()
	}
	return h.Do(fn)
}
