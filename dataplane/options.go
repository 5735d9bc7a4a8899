package dataplane

import (
	"net/netip"
	"slices"
	"time"
)

// Options are the directives of a virtual service that a dataplane interprets
// and nobody else. The zero value asks for nothing. They are comparable: equal
// Options ask for the same.
type Options struct {
	// ConnectTimeout limits one attempt to reach a real server, IdleTimeout
	// a connection or flow on which nothing moves, where the dataplane makes
	// connections itself. 0 leaves the choice to the dataplane.
	ConnectTimeout, IdleTimeout time.Duration
	// ExpireQuiescent has the clients of a real server whose weight is 0 lose
	// it with their next connection although persistence would keep them.
	// IPVS has one setting for all services and takes no notice of this.
	ExpireQuiescent bool

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
	// Transparent shows real servers the client's address as the source of
	// connections. Their answers have to come back through this host. With IPVS
	// that is always so.
	Transparent bool

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

// ClientLists are the clients that a virtual service treats apart from others.
// The lists may be long: nobody changes one, and clones share Allow and Deny.
type ClientLists struct {
	// TrustedProxies are those whose connections begin with a PROXY header, of
	// either version: the client is the one that it names. Nobody else's is
	// looked at.
	TrustedProxies []netip.Prefix
	// Allow are the clients that are served, all if there are none, and Deny
	// those of them that are not; of two prefixes that a client is in the
	// longer one counts, of equal ones that in Deny.
	Allow, Deny []netip.Prefix
}

// Equal reports whether c and d have the same clients in the same order.
func (c ClientLists) Equal(d ClientLists) bool {
	return samePrefixes(c.TrustedProxies, d.TrustedProxies) &&
		samePrefixes(c.Allow, d.Allow) && samePrefixes(c.Deny, d.Deny)
}

// samePrefixes is soon done with what is the same list.
func samePrefixes(a, b []netip.Prefix) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// Clone returns a copy that shares no memory with c but Allow and Deny.
func (c ClientLists) Clone() ClientLists {
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	return c
}
