package bench

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/dataplane"
)

// Options select what to measure. New sets the fields that are left out.
type Options struct {
	Scenarios []string           // names of Scenarios; all if empty
	Subjects  []*subject.Subject // what runs here if empty
	Faults    []string           // of failover; all if empty
	Rounds    int                // of each subject; 5 if 0
	Duration  time.Duration      // of a round; 1 second if 0
	Warmup    time.Duration      // before it; 300 ms if 0
	// Connections replaces the number of connections of all kinds of work.
	Connections int
	Weights     []int        // one real server each; 1, 1 if empty
	RealServers []int        // how many are checked, in checks; 1000 and 5000 if empty
	Scheduler   string       // name of one of IPVS; if empty schedulers looks at each, and the others at wrr
	Forward     string       // how IPVS forwards: masq, gate or ipip; masq if empty
	Topology    lab.Topology // loopback if empty, where links do not matter
	IPv6        bool
	MTU         int
	Delay       time.Duration
	Loss        float64
	// DirectorProcessors is how many processors the subject has for itself; 1
	// if 0.
	DirectorProcessors int
	Shunt              string   // path of shunt's program
	Baseline           string   // path of another shunt's, whose proxy is measured beside the others; "" for none
	Pcap               string   // folder that packets are kept in; "" keeps none
	Command            []string // the command line, for the report

	every bool // all schedulers, because none was given
	usual bool // weights, likewise
}

// A Progress follows the steps of a run. report.Progress is one.
type Progress interface {
	Doing(what string) // the step that begins now
	Step()             // the step is done
}

// mostRounds and longest bound rounds and durations generously.
const (
	mostRounds = 1000
	longest    = time.Hour
	mostReals  = 50_000
)

// complete sets the fields that are left out, and refuses impossible ones.
func (o *Options) complete() error {
	o.Rounds = or(o.Rounds, 5)
	o.Duration = or(o.Duration, time.Second)
	o.Warmup = or(o.Warmup, 300*time.Millisecond)
	o.DirectorProcessors = or(o.DirectorProcessors, 1)
	o.every = o.Scheduler == ""
	o.Scheduler = or(o.Scheduler, "wrr")
	o.Forward = or(o.Forward, dataplane.Masq.String())
	if len(o.Scenarios) == 0 {
		o.Scenarios = Scenarios()
	}
	o.usual = len(o.Weights) == 0
	if o.usual {
		o.Weights = []int{1, 1}
	}
	if len(o.RealServers) == 0 {
		o.RealServers = []int{1000, 5000}
	}
	return errors.Join(o.checkNames(), o.checkNumbers())
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (o *Options) checkNames() error {
	for _, s := range o.Scenarios {
		if !slices.Contains(Scenarios(), s) {
			return fmt.Errorf("no scenario is called %q: there are %s", s, strings.Join(Scenarios(), ", "))
		}
	}
	for _, f := range o.Faults {
		if !slices.Contains(Faults(), f) {
			return fmt.Errorf("no fault is called %q: there are %s", f, strings.Join(Faults(), ", "))
		}
	}
	if !slices.Contains(schedulers, o.Scheduler) {
		return fmt.Errorf("no scheduler is called %q: there are %s", o.Scheduler, strings.Join(schedulers, ", "))
	}
	if _, err := forward(o.Forward); err != nil {
		return err
	}
	if o.Pcap != "" {
		if err := os.MkdirAll(o.Pcap, 0o755); err != nil {
			return fmt.Errorf("folder of the packets: %w", err)
		}
	}
	return nil
}

func (o *Options) checkNumbers() error {
	switch {
	case o.Rounds < 1 || o.Rounds > mostRounds:
		return fmt.Errorf("%d rounds: want 1 to %d", o.Rounds, mostRounds)
	case o.Duration < 100*time.Millisecond || o.Duration > longest:
		return fmt.Errorf("rounds of %v: want 100ms to %v", o.Duration, longest)
	case o.Warmup < 0 || o.Warmup > longest:
		return fmt.Errorf("a warm-up of %v: want at most %v", o.Warmup, longest)
	case o.Connections < 0:
		return fmt.Errorf("%d connections", o.Connections)
	}
	for _, w := range o.Weights {
		if w < 0 || w > 65535 {
			return fmt.Errorf("weight %d: want 0 to 65535", w)
		}
	}
	for _, n := range o.RealServers {
		if n < 2*manyFail || n > mostReals {
			return fmt.Errorf("checks of %d real servers: want %d to %d", n, 2*manyFail, mostReals)
		}
	}
	if slices.Max(o.Weights) == 0 {
		return errors.New("all weights are 0: no real server takes a connection")
	}
	return nil
}

// schedulers are those of IPVS.
var schedulers = strings.Fields("rr wrr lc wlc sed nq sh dh mh lblc lblcr fo ovf")

// Scenarios returns the names of all scenarios.
func Scenarios() []string {
	return []string{"throughput", "connections", "requests", "mixed", "pieces", "idle", "udp", "schedulers", "failover", "checks"}
}

func forward(word string) (dataplane.Forward, error) {
	for _, f := range []dataplane.Forward{dataplane.Masq, dataplane.Gate, dataplane.IPIP} {
		if f.String() == word {
			return f, nil
		}
	}
	return 0, fmt.Errorf("no forwarding method is called %q: there are masq, gate and ipip", word)
}
