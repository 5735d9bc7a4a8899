package load_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
)

// local are the addresses that every test of traffic is run on.
var local = map[string]netip.Addr{
	"IPv4": netip.MustParseAddr("127.0.0.1"),
	"IPv6": netip.IPv6Loopback(),
}

// reals starts real servers with the numbers 1 to n in one process.
func reals(t *testing.T, a netip.Addr, n int) *load.Process {
	t.Helper()
	var j load.Job
	for i := range n {
		j.Serve = append(j.Serve, load.Serve{Address: netip.AddrPortFrom(a, 0), Number: i + 1})
	}
	p, err := load.Start(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Stop() })
	return p
}

// run runs a client to its end, and again where a busy machine gave it no
// processor at all for so short a time.
func run(t *testing.T, c load.Client) (o load.Outcome) {
	t.Helper()
	for try := 0; try < 5 && o.Operations+o.Errors+o.Received == 0; try++ {
		var err error
		if o, err = load.Run(t.Context(), load.Job{Client: &c}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d operations, %d errors %v in %.3f s, p50 %v, p99 %v, busy %.2f", o.Operations, o.Errors, o.Failures,
		o.Seconds, o.Latency.Quantile(0.5), o.Latency.Quantile(0.99), o.Busy)
	return o
}

func TestKinds(t *testing.T) {
	kinds := map[string]load.Client{
		"connections":        {Kind: load.Connections, Connections: 16, Request: 100, Answer: 128},
		"connections rate":   {Kind: load.Connections, Connections: 64, Request: 100, Answer: 128, Rate: 500},
		"requests":           {Kind: load.Requests, Connections: 16, Request: 1, Answer: 1},
		"large requests":     {Kind: load.Requests, Connections: 4, Request: 1 << 20, Answer: 3<<20 + 1, Buffer: 64 << 10},
		"requests rate":      {Kind: load.Requests, Connections: 16, Request: 100, Answer: 1000, Rate: 2000},
		"bulk down":          {Kind: load.Bulk, Connections: 4, Answer: 8 << 20, Buffer: 128 << 10},
		"bulk up":            {Kind: load.Bulk, Connections: 4, Request: 8 << 20, Buffer: 128 << 10},
		"idle":               {Kind: load.Idle, Connections: 500, Request: 16, Answer: 8},
		"datagrams":          {Kind: load.Datagrams, Connections: 32, Flows: 100, Request: 64, Answer: 64},
		"large datagrams":    {Kind: load.Datagrams, Connections: 4, Request: 60000, Answer: 60000},
		"datagrams rate":     {Kind: load.Datagrams, Connections: 1000, Flows: 1, Request: 64, Answer: 1200, Rate: 3000},
		"pieces":             {Kind: load.Connections, Connections: 2, Request: 100, Answer: 128, Pieces: true},
		"headers alone":      {Kind: load.Connections, Connections: 2, Pieces: true},
		"unlooked requests":  {Kind: load.Requests, Connections: 2, Request: 100, Answer: 1000, Trust: true},
		"unlooked datagrams": {Kind: load.Datagrams, Connections: 2, Request: 100, Answer: 1000, Trust: true},
	}
	for family, a := range local {
		p := reals(t, a, 2)
		for name, c := range kinds {
			t.Run(family+"/"+name, func(t *testing.T) {
				c.Targets, c.Warmup, c.Duration = p.Listening(), 20*time.Millisecond, 100*time.Millisecond
				checkKind(t, c, run(t, c))
			})
		}
	}
}

func checkKind(t *testing.T, c load.Client, o load.Outcome) {
	t.Helper()
	if o.Errors != 0 || o.Broken != 0 {
		t.Errorf("%d errors, %d broken: %v", o.Errors, o.Broken, o.Failures)
	}
	if o.Operations == 0 && o.Sent+o.Received < 1<<20 {
		t.Error("nothing was done")
	}
	if got := o.Reals[1] + o.Reals[2]; got != o.Operations || len(o.Reals) > 2 {
		t.Errorf("real servers %v, want %d in all", o.Reals, o.Operations)
	}
	if got := uint64(o.Latency.Count()); got != o.Operations {
		t.Errorf("latency of %d operations, want %d", got, o.Operations)
	}
	if want := c.Rate * c.Duration.Seconds(); c.Rate > 0 && float64(o.Operations) != want {
		t.Errorf("%d operations at a rate, want %v", o.Operations, want)
	}
	if c.Kind == load.Idle && (o.Established != 500 || o.Operations != 500) {
		t.Errorf("%d opened and %d established, want 500", o.Operations, o.Established)
	}
	if o.Seconds != c.Duration.Seconds() || o.CPU.User+o.CPU.System <= 0 || o.Busy <= 0 || o.Began.IsZero() {
		t.Errorf("measured %v s from %v, processor %v, busy %v", o.Seconds, o.Began, o.CPU, o.Busy)
	}
}
