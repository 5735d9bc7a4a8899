package loop

import (
	"net/netip"

	"github.com/shunt-lb/shunt/internal/proxyheader"
)

// The parties to a connection or flow are its client and where that wanted to
// go.
type parties struct{ client, dest netip.AddrPort }

// specified reports whether a says where a client has gone.
func specified(a netip.AddrPort) bool {
	return a.IsValid() && !a.Addr().IsUnspecified() && a.Port() != 0
}

// header writes the header of a version into b, which has room for it.
func (p parties) header(b []byte, version int, udp bool) []byte {
	if version == 1 {
		return proxyheader.Append1(b, p.client, p.dest)
	}
	return proxyheader.Append2(b, p.client, p.dest, udp)
}
