// Package result holds the result of a benchmark run: plain data, stored as
// JSON, from which every table and plot is made.
package result

import "time"

// Version is that of the format. A file of another version is refused.
const Version = 1

// A Run has all results of one call of shunt-bench.
type Run struct {
	Version int       `json:"version"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"` // wall time of the whole run
	Command []string  `json:"command"` // what was typed
	Machine Machine   `json:"machine"`
	Pinning string    `json:"pinning"` // which processes ran on which processors, in words
	Limits  []string  `json:"limits"`  // what not to conclude from the figures, a sentence each

	Measures   []Measure   `json:"measures,omitempty"`
	Schedulers []Scheduler `json:"schedulers,omitempty"`
	Rewrites   []Rewrite   `json:"rewrites,omitempty"`
	Failovers  []Failover  `json:"failovers,omitempty"`
	Checks     []Checks    `json:"checks,omitempty"`
}

// A Machine is the machine of a run.
type Machine struct {
	Processor  string            `json:"processor"`
	Processors int               `json:"processors"`
	Memory     uint64            `json:"memory"` // bytes
	Kernel     string            `json:"kernel"`
	Emulated   bool              `json:"emulated,omitempty"` // figures of time mean nothing elsewhere
	Programs   map[string]string `json:"programs"`           // name and version of each subject and of Go
}

// A Measure is one subject doing one kind of work, in several rounds that took
// turns with those of the other subjects.
type Measure struct {
	Scenario string  `json:"scenario"`        // throughput, connections, requests, mixed, pieces, idle, udp
	Work     string  `json:"work"`            // "64 connections, 100 B and 128 B": equal for what may be compared
	Unit     string  `json:"unit"`            // what one operation is: "connection", "request", "MiB", "datagram"
	Timed    string  `json:"timed,omitempty"` // what latency is of, "request"; of an operation if empty
	Subject  string  `json:"subject"`
	Command  string  `json:"command"` // the subject's process, as started
	Rounds   []Round `json:"rounds"`
	// The generator or the real servers were the bottleneck: operations per
	// second say nothing about the subject.
	Bounded bool   `json:"bounded,omitempty"`
	Note    string `json:"note,omitempty"`
}

// A Round is one measurement.
type Round struct {
	Seconds    float64        `json:"seconds"`
	Operations uint64         `json:"operations"`
	Errors     uint64         `json:"errors"`
	Failures   map[string]int `json:"failures,omitempty"` // errors by kind, in words
	Latency    []Quantile     `json:"latency,omitempty"`  // in order; from the intended start where there is a rate
	Subject    CPU            `json:"subject"`            // of the director's processes
	Generator  CPU            `json:"generator"`          // of clients and real servers together
	Idle       []float64      `json:"idle,omitempty"`     // share of each processor that was idle
	Memory     Memory         `json:"memory"`
	Reals      map[int]uint64 `json:"reals,omitempty"` // operations by the number of the real server, from 0
}

// A Quantile is a latency and the share of operations that were no slower.
type Quantile struct {
	Share   float64 `json:"share"` // above 0, at most 1
	Seconds float64 `json:"seconds"`
}

// CPU is processor time in seconds.
type CPU struct {
	User    float64 `json:"user"`
	System  float64 `json:"system"`
	SoftIRQ float64 `json:"softirq"` // of the processors the subject ran on; 0 where it cannot be told
	// Forwards says that the kernel forwards for the subject: SoftIRQ is the
	// subject's work then.
	Forwards bool `json:"forwards,omitempty"`
}

// Memory is what the subject held at the end of a round, in bytes, above what
// it held before the first connection.
type Memory struct {
	Connections uint64 `json:"connections"`
	PSS         uint64 `json:"pss"`
	Kernel      uint64 `json:"kernel"` // socket buffers and slabs of the machine, as far as it can be told
}

// A Scheduler is how a subject distributed connections, observed by packets.
type Scheduler struct {
	Subject  string     `json:"subject"`
	Name     string     `json:"name"` // wrr
	Protocol string     `json:"protocol"`
	Weights  []int      `json:"weights"`
	Got      []uint64   `json:"got"`                // connections for each real server
	Expected []uint64   `json:"expected,omitempty"` // nothing where it depends on the hash
	Sequence []int      `json:"sequence,omitempty"` // the first real servers chosen, by number
	Rule     []int      `json:"rule,omitempty"`     // the sequence that rr and wrr have to keep
	Sticky   *float64   `json:"sticky,omitempty"`   // share of sources that kept to one real server
	Moved    *float64   `json:"moved,omitempty"`    // share of other sources that moved when a real server went
	Lost     uint64     `json:"lost"`
	Dropped  uint64     `json:"dropped"`         // packets the observer missed
	Verdict  string     `json:"verdict"`         // "ok", or what is wrong
	Added    []Quantile `json:"added,omitempty"` // latency the director added to a packet
}

// A Rewrite has the changes of packets by a forwarding method.
type Rewrite struct {
	Subject string  `json:"subject"`
	Method  string  `json:"method"` // gate, masq, ipip, proxy
	Family  string  `json:"family"` // IPv4, IPv6
	Packets uint64  `json:"packets"`
	Fields  []Field `json:"fields"`
	Verdict string  `json:"verdict"`
	File    string  `json:"file,omitempty"` // the packets, where they were kept
}

// A Field is a part of a packet before and after the director.
type Field struct {
	Name    string `json:"name"` // "destination address"
	Before  string `json:"before"`
	After   string `json:"after"`
	Promise string `json:"promise"` // "kept", "rewritten to the real server's"
	Kept    bool   `json:"kept"`    // the promise, by every packet
}

// A Failover is the cost of one fault to the clients of a subject.
type Failover struct {
	Subject  string   `json:"subject"`
	Fault    string   `json:"fault"` // killed, frozen, unplugged, drained, returns, reload, restart, crash
	Requests uint64   `json:"requests"`
	Lost     uint64   `json:"lost"`
	Broken   uint64   `json:"broken"` // established connections that ended
	Last     float64  `json:"last"`   // seconds from the fault to the start of the last lost request; 0 if none
	Timeline []Moment `json:"timeline"`
	Note     string   `json:"note,omitempty"`
}

// A Moment counts the requests that were to start in one interval.
type Moment struct {
	At   float64 `json:"at"` // seconds after the fault, begin of the interval
	Good uint64  `json:"good"`
	Lost uint64  `json:"lost"`
}

// Checks is the cost of checking many real servers.
type Checks struct {
	Kind        string        `json:"kind"`
	Subject     string        `json:"subject"`
	RealServers int           `json:"real_servers"`
	Interval    float64       `json:"interval"` // seconds between checks of one real server
	Rounds      []ChecksRound `json:"rounds,omitempty"`
	// Lateness is that of the checks of real servers that are well, by the time
	// when they came in: how much more than the interval lay between two.
	Lateness []Quantile `json:"lateness,omitempty"`
	// Detection is from unwell to out of service: not in the table, or not in
	// use by the program's own word.
	Detection []Quantile `json:"detection,omitempty"`
	Note      string     `json:"note,omitempty"`
}

// A ChecksRound is one measurement of the cost of checks.
type ChecksRound struct {
	Seconds float64 `json:"seconds"`
	Checks  uint64  `json:"checks"`           // connections that were begun
	Failed  *uint64 `json:"failed,omitempty"` // by the subject's own count; nil if it has none
	CPU     float64 `json:"cpu"`              // seconds of processor time
	Memory  uint64  `json:"memory"`           // bytes
	Idle    uint64  `json:"idle"`             // bytes of the same program with one real server
}

// PerCheck returns the seconds of processor time of one check.
func (r ChecksRound) PerCheck() float64 { return Ratio(r.CPU, float64(r.Checks)) }

// Each returns a value of each round.
func (c Checks) Each(of func(ChecksRound) float64) []float64 {
	all := make([]float64, len(c.Rounds))
	for i, r := range c.Rounds {
		all[i] = of(r)
	}
	return all
}
