package load

import (
	"time"

	"github.com/shunt-lb/shunt/bench/result"
)

// An Outcome is the result of a job, warm-up excluded.
//
// In a closed loop an operation counts if it ended within the measured time. At a
// rate it counts if it was to begin within it; its end is awaited for Timeout
// after the measured time.
type Outcome struct {
	Began   time.Time `json:"began"`   // of the measured time, wall clock
	Seconds float64   `json:"seconds"` // measured
	// Operations that succeeded: connections, requests, datagrams answered, or
	// for Bulk whole transfers.
	Operations uint64 `json:"operations"`
	Errors     uint64 `json:"errors"`
	// Failures are the errors by kind, in words.
	Failures map[string]int `json:"failures,omitempty"`
	Sent     uint64         `json:"sent"`     // payload bytes of the client
	Received uint64         `json:"received"` // payload bytes of the client
	Latency  Latency        `json:"latency"`
	// Reals counts successful operations by the number of the real server.
	Reals map[int]uint64 `json:"reals,omitempty"`

	// Established connections at the end, that answered for Idle.
	Established uint64 `json:"established"`
	// Broken counts established connections that ended against the client's will.
	Broken   uint64          `json:"broken"`
	Timeline []result.Moment `json:"timeline,omitempty"` // seconds after Began

	CPU  result.CPU `json:"cpu"`  // of the process
	Busy float64    `json:"busy"` // share of the measured time the process ran

	Beside *Outcome `json:"beside,omitempty"` // of Job.Beside

	Served []Served `json:"served,omitempty"` // in the order of Job.Serve
}

// Served has the counters of one real server, from its start to its end.
type Served struct {
	Number    int    `json:"number"`
	Accepted  uint64 `json:"accepted"`  // connections
	Requests  uint64 `json:"requests"`  // over TCP
	Datagrams uint64 `json:"datagrams"` // answered
	Received  uint64 `json:"received"`  // payload bytes
	Sent      uint64 `json:"sent"`      // payload bytes
	Open      uint64 `json:"open"`      // connections at the end
	// Failures counts the requests that it could not answer, by kind, in words.
	Failures map[string]int `json:"failures,omitempty"`
}
