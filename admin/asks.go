package admin

import "github.com/shunt-lb/shunt/director"

// Asks answer questions about a director that are no part of its status. All methods are
// called from many goroutines at once.
type Asks interface {
	// Events returns the latest events, which may be read and followed at any time.
	Events() *director.Events
}
