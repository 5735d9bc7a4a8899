package wire

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// The ways a packet goes from a director to a real server.
const (
	Gate = "gate" // the same packet in another Ethernet frame
	Masq = "masq" // addresses and ports rewritten
	IPIP = "ipip" // the same packet in another IP packet
	// Proxy is the bytes of a connection in another connection. The two are
	// paired by the first 32 bytes from the client, which have to be passed
	// on as they are and first, without a PROXY header, and among equal ones
	// by their order. So clients do well to begin with something unique.
	Proxy = "proxy"
)

// A Service is the traffic to watch: one virtual service and what is behind
// it. Its slices are not to be changed while it is watched.
type Service struct {
	Protocol string         // tcp or udp
	Addr     netip.AddrPort // what clients connect to
	Method   string         // Gate, Masq, IPIP or Proxy, for all real servers
	Reals    []Real         // in the order of the configuration; results number them from 0
	// Held says that every connection stays open while it is watched, as
	// SYNs that nobody follows up do.
	Held bool
}

// A Real is a real server.
type Real struct {
	Addr   netip.AddrPort // with ipip the end of the tunnel; the port counts with masq and proxy
	Weight int
	// MAC is where frames for the real server go: its own address, or that
	// of the router before it. Nil is the address of its link where that is
	// watched, and unchecked elsewhere. Real servers by gate are told apart
	// by it, so there it has to be known.
	MAC net.HardwareAddr
}

// tellable reports how real servers cannot be told apart by what is watched.
func (s Service) tellable(points []Point) error {
	for i, r := range s.Reals {
		watched := slices.ContainsFunc(points, func(p Point) bool { return p.Real == i })
		if s.Method == Gate && r.MAC == nil && !watched {
			return fmt.Errorf("watch %v by gate: the Ethernet address of real server %v is not known", s.Addr, r.Addr)
		}
	}
	return nil
}
