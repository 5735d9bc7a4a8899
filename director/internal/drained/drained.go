// Package drained decides when a real server that gets no new clients has none left.
package drained

import (
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// Answers is the time in which answers to datagrams that were under way come back.
const Answers = 3 * time.Second

// pause is the least time between the first and the last look that find nothing: a
// client that the dataplane has just given the server is not yet counted anywhere.
const pause = 200 * time.Millisecond

// A Rule says what has to end.
type Rule int

const (
	// Connections and the pins of clients have to end: of TCP, and of firewall marks,
	// which have connections of any protocol.
	Connections Rule = iota
	// Flows have no end while their client sends. The server has to leave the
	// dataplane, so that they move, and then those that it had.
	Flows
	// Packets are each for themselves: the answers of the last ones have to come back.
	Packets
)

// RuleOf returns the rule for a service.
func RuleOf(id dataplane.ServiceID, onePacket bool) Rule {
	switch {
	case id.Protocol == dataplane.UDP && onePacket:
		return Packets
	case id.Protocol == dataplane.UDP:
		return Flows
	}
	return Connections
}

// A Look is what a dataplane says of a real server at one moment.
type Look struct {
	At time.Time
	// Since is when the server got no new clients any more.
	Since time.Time
	// Left reports that the service no longer has the server.
	Left                     bool
	Active, Inactive, Pinned int
	// Made counts the connections that were ever made to the server.
	Made uint64
	// Lag is how far the figures are behind what happens.
	Lag time.Duration
}

// busy reports whether somebody is known to use the server.
func (l Look) busy(rule Rule) bool {
	switch rule {
	case Flows:
		return !l.Left || l.Active+l.Inactive > 0
	case Packets:
		return l.At.Sub(l.Since) < Answers
	}
	return l.Active+l.Pinned > 0
}

// A Watch is told of looks at one real server, in the order of their times. The zero
// value has seen nothing.
type Watch struct {
	quiet time.Time // the first look of those that found nobody
	made  uint64    // at that look
}

// Over takes in a look and reports whether the server has no clients left: looks
// without any stretch over the time by which figures are behind, and no connection was
// counted meanwhile.
func (w *Watch) Over(rule Rule, l Look) bool {
	switch {
	case l.busy(rule):
		*w = Watch{}
		return false
	case w.quiet.IsZero() || l.Made != w.made:
		w.quiet, w.made = l.At, l.Made
	}
	return rule == Packets || l.At.Sub(w.quiet) >= max(pause, l.Lag)
}
