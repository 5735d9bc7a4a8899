package virtual

import (
	"net/netip"

	"github.com/shunt-lb/shunt/internal/proxyheader"
)

// The Parties to a connection or flow are its client and where that wanted to
// go.
type Parties struct{ Client, Dest netip.AddrPort }

// Specified reports whether a says where a client has gone.
func Specified(a netip.AddrPort) bool {
	return a.IsValid() && !a.Addr().IsUnspecified() && a.Port() != 0
}

// Header writes the header of a version into b, which has room for it.
func (p Parties) Header(b []byte, version int, udp bool) []byte {
	if version == 1 {
		return proxyheader.Append1(b, p.Client, p.Dest)
	}
	return proxyheader.Append2(b, p.Client, p.Dest, udp)
}
