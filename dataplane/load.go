package dataplane

import (
	"fmt"
	"time"
)

// A Load describes what a dataplane that makes the connections to real servers
// itself has in use, over all services. Its counters only ever grow.
type Load struct {
	Connections Usage `json:"connections"` // TCP
	Flows       Usage `json:"flows"`       // UDP
	// Buffers counts bytes that are buffered for slow readers. Refused counts
	// reads that took the slow path because there was no buffer.
	Buffers Usage `json:"buffers"`
	// Evicted counts flows that were evicted to make room for others.
	Evicted uint64 `json:"evicted_flows"`
	// Pauses counts how often accepting was paused because the host had no
	// descriptors, no memory or no local ports.
	Pauses uint64 `json:"accept_pauses"`
	// EvictedSources counts sources of clients whose rate was forgotten early
	// because there were too many.
	EvictedSources uint64 `json:"evicted_sources"`
	// Worker is the number of the worker whose event loop ran longest ago, and
	// LoopAge is how long ago that was. A loop runs when there is something to
	// do, and at least once a second.
	Worker  int           `json:"oldest_loop_worker"`
	LoopAge time.Duration `json:"oldest_loop_age_ns"`
}

// StuckAfter is the age of its latest loop from which on a worker counts as
// stuck: it handles no events, whatever the cause.
const StuckAfter = 2 * time.Second

// A StuckError names a worker whose event loop does not run. Its connections
// and flows get no answer.
type StuckError struct {
	Worker  int
	LoopAge time.Duration
}

// Error implements error.
func (e *StuckError) Error() string {
	return fmt.Sprintf("worker %d of the proxy has not run its event loop for %v", e.Worker, e.LoopAge.Round(100*time.Millisecond))
}

// Stuck returns a [*StuckError] if a worker is stuck, else nil. l may be nil.
func (l *Load) Stuck() error {
	if l == nil || l.LoopAge < StuckAfter {
		return nil
	}
	return &StuckError{l.Worker, l.LoopAge}
}

// A Usage says how much of a bounded resource is in use.
type Usage struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
	// Refused counts how often the limit was reached. Connections wait then.
	Refused uint64 `json:"refused"`
	// Reserved is how much of it is reserved for each service.
	Reserved int64 `json:"reserved,omitempty"`
	// FullListeners counts the listeners at which clients wait to be accepted now.
	FullListeners int64 `json:"full_listeners,omitempty"`
	// Asked is the configured limit where that is more than Limit, and By is why
	// Limit is less.
	Asked int64    `json:"asked,omitempty"`
	By    Scarcity `json:"by,omitempty"`
}

// A Scarcity names the resource of the host that keeps a limit low.
type Scarcity string

// The resources that can be scarce.
const (
	Files  Scarcity = "files"  // descriptors
	Memory Scarcity = "memory" // of the machine or the control group
	Ports  Scarcity = "ports"  // local ports
)

// Full reports whether the limit is reached.
func (r Usage) Full() bool { return r.Used >= r.Limit }
