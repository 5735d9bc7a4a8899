package bench

import (
	"fmt"

	"github.com/shunt-lb/shunt/bench/load"
)

// A work is one kind of traffic: what may be compared.
type work struct {
	scenario string
	name     string
	unit     string // one operation
	client   load.Client
}

// MiB is the unit of bulk transfers.
const mib = 1 << 20

// steady returns the works of a scenario that measures a steady load, and
// nothing for the others.
func steady(scenario string, connections int) []work {
	switch scenario {
	case "throughput":
		return works(connections, []int{1, 8, 64}, func(n int) work {
			return work{scenario, count(n, "connection") + ", bulk to the client", "MiB", load.Client{
				Kind: load.Bulk, Connections: n, Response: max(1, 32/n) * mib, Buffer: 128 << 10, Trust: true,
			}}
		})
	case "connections":
		return works(connections, []int{64}, func(n int) work {
			return work{scenario, fmt.Sprintf("%d at once, 100 B there and 128 B back", n), "connection", load.Client{
				Kind: load.Connections, Connections: n, Request: 100, Response: 128,
			}}
		})
	case "requests":
		return works(connections, []int{64, 1000}, func(n int) work {
			return work{scenario, count(n, "connection") + ", 100 B there and 128 B back", "request", load.Client{
				Kind: load.Requests, Connections: n, Request: 100, Response: 128,
			}}
		})
	case "idle":
		return works(connections, []int{2000}, func(n int) work {
			return work{scenario, count(n, "connection") + " held", "connection", load.Client{
				Kind: load.Idle, Connections: n, Request: 100, Response: 128,
			}}
		})
	case "udp":
		return works(connections, []int{1, 100, 10000}, func(n int) work {
			return work{scenario, fmt.Sprintf("64 at once from %s, 64 B there and back", count(n, "flow")), "datagram", load.Client{
				Kind: load.Datagrams, Connections: 64, Flows: n, Request: 64, Response: 64,
			}}
		})
	}
	return nil
}

func works(asked int, usual []int, of func(int) work) []work {
	if asked > 0 {
		usual = []int{asked}
	}
	var all []work
	for _, n := range usual {
		all = append(all, of(n))
	}
	return all
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// operations returns how often the unit of the work was done.
func (w *work) operations(o load.Outcome) uint64 {
	switch w.client.Kind {
	case load.Bulk:
		return (o.Received + o.Sent) / mib
	case load.Idle:
		return o.Standing
	}
	return o.Operations
}
