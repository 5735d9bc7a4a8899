package dataplane

import (
	"fmt"
	"time"
)

// A Load is what a dataplane that makes the connections to real servers itself
// carries as a whole. Its counters only ever grow.
type Load struct {
	Connections Room `json:"connections"` // TCP
	Flows       Room `json:"flows"`       // UDP
	// Buffers are bytes held for those who read slowly. What is refused here is
	// a single read, which then is made in a slower way.
	Buffers Room `json:"buffers"`
	// Evicted are flows that have given way to others before their time.
	Evicted uint64 `json:"evicted_flows"`
	// Pauses are moments in which nobody was taken in because the host had no
	// descriptors or no memory.
	Pauses uint64 `json:"accept_pauses"`
	// Forgotten are sources of clients whose rate began anew before its time,
	// because there were too many.
	Forgotten uint64 `json:"forgotten_sources"`
	// Worker is the number of the worker that has not turned for longest, for
	// Turned: it does when it has anything to do, and every second if not.
	Worker int           `json:"oldest_turn_worker"`
	Turned time.Duration `json:"oldest_turn_age_ns"`
}

// StuckAfter is the age of its latest turn at which a worker counts as stuck: it
// does not take its events, whatever the cause.
const StuckAfter = 2 * time.Second

// A StuckError says which worker does not turn: what it carries gets no answer.
type StuckError struct {
	Worker int
	Turned time.Duration // ago
}

// Error implements error.
func (e *StuckError) Error() string {
	return fmt.Sprintf("worker %d of the proxy has not turned for %v", e.Worker, e.Turned.Round(100*time.Millisecond))
}

// Stuck returns a [*StuckError] if there is a worker that does not turn, else nil.
func (l *Load) Stuck() error {
	if l == nil || l.Turned < StuckAfter {
		return nil
	}
	return &StuckError{l.Worker, l.Turned}
}

// A Room is how much there is now of something that is bounded.
type Room struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
	// Refused is how often there was no room. Connections wait then.
	Refused uint64 `json:"refused"`
	// Own is how much of it each service has to itself.
	Own int64 `json:"own,omitempty"`
	// Holding are listeners at which clients wait for room now.
	Holding int64 `json:"holding,omitempty"`
	// Asked is what the configuration asks for where that is more than Limit,
	// and By why there is not more.
	Asked int64    `json:"asked,omitempty"`
	By    Scarcity `json:"by,omitempty"`
}

// A Scarcity is what a host has too little of.
type Scarcity string

// What there may be too little of.
const (
	Files  Scarcity = "files"  // descriptors
	Memory Scarcity = "memory" // what the machine or the control group has
	Ports  Scarcity = "ports"  // local ports
)

// Full reports whether there is no room.
func (r Room) Full() bool { return r.Used >= r.Limit }
