package dataplane

import (
	"net/netip"
	"slices"
	"time"
)

// Options are the directives of a virtual service that only a dataplane
// interprets. The zero value asks for nothing. They are comparable: equal Options
// ask for the same.
type Options struct {
	// ConnectTimeout limits one attempt to reach a real server, IdleTimeout
	// a connection or flow on which nothing moves, where the dataplane makes
	// connections itself. 0 leaves the choice to the dataplane.
	ConnectTimeout, IdleTimeout time.Duration
	// ExpireQuiescent ends the persistence of clients of a real server with weight
	// 0: their next connection goes to another one. IPVS has one setting for all
	// services and ignores this.
	ExpireQuiescent bool

	// QueueTimeout limits how long a client waits while every usable real server
	// has reached its MaxConn; then it is refused. 0 leaves the choice to the
	// dataplane.
	QueueTimeout time.Duration
	// MaxQueue limits the clients that wait at a time; others are refused at once.
	// 0 is no limit except that of connections.
	MaxQueue int

	// KeepAlive is the silence after which the kernel sends keepalive probes on a
	// TCP connection, on both sides of the director. 0 leaves the choice to the
	// dataplane.
	KeepAlive time.Duration
	// UserTimeout is the time for which sent data may stay unacknowledged before a
	// TCP connection ends (TCP_USER_TIMEOUT, RFC 5482). 0 is the kernel's choice.
	UserTimeout time.Duration

	// ErrorLimit is how many attempts in a row to connect to a real server have to
	// fail until an [Observer] reports it. 0 is never. Only TCP services have it.
	ErrorLimit int

	// CheckByVIP: this host connects to the VIP to check real servers, see
	// [Pather].
	CheckByVIP bool

	// ProxyProtocol is the version of the PROXY header that gives real servers,
	// fallbacks included, the client's address: 1 or 2; only 2 with UDP. 0 is no
	// header.
	ProxyProtocol int
	// Transparent shows real servers the client's address as the source of
	// connections. Their answers have to come back through this host. IPVS always
	// does both.
	Transparent bool

	// SourceConns limits the connections, or flows, of one source at a time.
	// 0 is no limit.
	SourceConns int
	// SourceRate limits the new connections or flows of one source.
	SourceRate Rate
	// SourceBits4 and SourceBits6 are the lengths of the prefix by which
	// clients are one source. 0 is 32 and 64.
	SourceBits4, SourceBits6 int
}

// A Rate is a number of events in a time; all of them may happen at once. The
// zero value is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// ClientLists are the clients that a virtual service treats differently from
// others. The lists may be long: nobody changes one, and clones share Allow and
// Deny.
type ClientLists struct {
	// TrustedProxies are the clients whose connections begin with a PROXY header of
	// either version, which names the real client. A header of anybody else is data.
	TrustedProxies []netip.Prefix
	// Allow are the clients that are served, all if it is empty, and Deny the clients
	// that are not. The longer one of two prefixes that match a client counts, and
	// Deny of equal ones.
	Allow, Deny []netip.Prefix
}

// Equal reports whether c and d have the same clients in the same order.
func (c ClientLists) Equal(d ClientLists) bool {
	return samePrefixes(c.TrustedProxies, d.TrustedProxies) &&
		samePrefixes(c.Allow, d.Allow) && samePrefixes(c.Deny, d.Deny)
}

// samePrefixes compares two lists. It does not read one list that is shared by
// both.
func samePrefixes(a, b []netip.Prefix) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// Clone returns a copy that shares no memory with c but Allow and Deny.
func (c ClientLists) Clone() ClientLists {
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	return c
}
