package dataplane

import (
	"net/netip"
	"slices"
	"time"
)

// A Carry is what a virtual service says to a dataplane that makes the
// connections to real servers itself. The zero value asks for nothing.
type Carry struct {
	// QueueTimeout is for how long a client waits while every real server that
	// could take it has as many connections as its MaxConn; then it is refused.
	// 0 leaves the choice to the dataplane.
	QueueTimeout time.Duration
	// MaxQueue is how many clients wait at a time; others are refused at
	// once. 0 is no limit but that of connections.
	MaxQueue int

	// KeepAlive is how long a TCP connection is silent before the kernel asks
	// whether the other side is still there, on both sides of the director.
	// 0 leaves the choice to the dataplane.
	KeepAlive time.Duration
	// UserTimeout is for how long sent data may be unacknowledged before a
	// TCP connection ends (TCP_USER_TIMEOUT, RFC 5482). 0 is the kernel's choice.
	UserTimeout time.Duration

	// ProxyProtocol is the version of the PROXY protocol header that real
	// servers, fallbacks included, are told the client's address by: 1 or 2,
	// with UDP 2 alone. 0 is none.
	ProxyProtocol int
	// TrustedProxies are those whose connections begin with such a header, of
	// either version: the client is the one that it names. Nobody else's is
	// looked at.
	TrustedProxies []netip.Prefix
	// Transparent has real servers see the client's address as where
	// connections come from. Their answers have to come back through this host.
	// With IPVS that is always so.
	Transparent bool

	// Allow are the clients that are served, all if there are none, and Deny
	// those of them that are not; of two prefixes that a client is in the
	// longer one counts, of equal ones that in Deny. The lists may be long:
	// nobody changes one that is in a Carry, and clones share it.
	Allow, Deny []netip.Prefix
	// SourceConns limits the connections, or flows, of one source at a time.
	// 0 is no limit.
	SourceConns int
	// SourceRate limits how many new ones a source may begin.
	SourceRate Rate
	// SourceBits4 and SourceBits6 are the lengths of the prefix by which
	// clients are one source. 0 is 32 and 64.
	SourceBits4, SourceBits6 int
}

// A Rate is so many in a time, which may come at once. The zero value is no
// limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// Equal reports whether c and d ask for the same.
func (c Carry) Equal(d Carry) bool {
	return c.QueueTimeout == d.QueueTimeout && c.MaxQueue == d.MaxQueue &&
		c.KeepAlive == d.KeepAlive && c.UserTimeout == d.UserTimeout &&
		c.ProxyProtocol == d.ProxyProtocol && c.Transparent == d.Transparent &&
		slices.Equal(c.TrustedProxies, d.TrustedProxies) &&
		samePrefixes(c.Allow, d.Allow) && samePrefixes(c.Deny, d.Deny) &&
		c.SourceConns == d.SourceConns && c.SourceRate == d.SourceRate &&
		c.SourceBits4 == d.SourceBits4 && c.SourceBits6 == d.SourceBits6
}

// samePrefixes is soon done with what is the same list.
func samePrefixes(a, b []netip.Prefix) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// Clone returns a copy that shares no memory with c but Allow and Deny.
func (c Carry) Clone() Carry {
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	return c
}
