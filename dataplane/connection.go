package dataplane

import (
	"context"
	"iter"
	"net/netip"
	"time"
)

// A Lister is a Dataplane that has a table of its connections.
type Lister interface {
	// Connections iterates over the connections of all services at this moment,
	// in no order. The table is read on the way and not held, since it may be
	// large: while connections come and go, one may appear twice or be missed.
	// An error, which may be ctx's, ends the sequence.
	Connections(ctx context.Context) iter.Seq2[Connection, error]
}

// A Connection is one entry of a table of connections.
type Connection struct {
	Protocol string         // TCP or UDP; IP for clients pinned by a firewall mark
	Client   netip.AddrPort // its port is 0 for a client that is pinned by persistence
	Virtual  netip.AddrPort
	Server   netip.AddrPort // zero while it waits for one
	State    string         // the dataplane's word: ESTABLISHED, FIN_WAIT, CLOSING, UDP
	Expires  time.Duration  // until it is forgotten if nothing moves
}
