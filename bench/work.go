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
	beside   *load.Client // bulk that goes on meanwhile, whose MiB are the operations then
	timed    string       // what latency is of, if not of an operation
}

// mib is one MiB, the unit of bulk transfers.
const mib = 1 << 20

// steady returns the works of a scenario that measures a steady load, and
// nothing for the others.
func steady(scenario string, connections int) []work {
	switch scenario {
	case "throughput":
		return works(connections, []int{1, 8, 64}, func(n int) work {
			b := bulk(n)
			return work{
				scenario: scenario, name: count(n, "connection") + ", bulk to the client", unit: "MiB", client: b,
				timed: fmt.Sprintf("transfer of %d MiB", b.Answer/mib),
			}
		})
	case "connections":
		return works(connections, []int{64}, func(n int) work {
			return work{scenario: scenario, name: fmt.Sprintf("%d at once, 100 B there and 128 B back", n), unit: "connection", client: load.Client{
				Kind: load.Connections, Connections: n, Request: 100, Answer: 128,
			}}
		})
	case "requests":
		return works(connections, []int{64, 1000}, func(n int) work {
			return work{scenario: scenario, name: count(n, "connection") + ", 100 B there and 128 B back", unit: "request", client: load.Client{
				Kind: load.Requests, Connections: n, Request: 100, Answer: 128,
			}}
		})
	case "mixed":
		return works(connections, []int{6}, func(n int) work {
			b := bulk(n)
			return work{
				scenario: scenario, name: count(n, "connection") + ", bulk to the client, and 1000 requests a second beside it", unit: "MiB",
				client: load.Client{Kind: load.Requests, Connections: 64, Request: 100, Answer: 128, Rate: 1000},
				beside: &b, timed: "request of 100 B there and 128 B back",
			}
		})
	case "pieces":
		return works(connections, []int{1, 64}, func(n int) work {
			return work{scenario: scenario, name: fmt.Sprintf("%d at once, 100 B there and 128 B back in two pieces", n), unit: "connection", client: load.Client{
				Kind: load.Connections, Connections: n, Request: 100, Answer: 128, Pieces: true,
			}}
		})
	case "idle":
		return works(connections, []int{2000}, func(n int) work {
			return work{scenario: scenario, name: count(n, "connection") + " held", unit: "connection", client: load.Client{
				Kind: load.Idle, Connections: n, Request: 100, Answer: 128,
			}}
		})
	case "udp":
		return works(connections, []int{1, 100, 10000}, func(n int) work {
			return work{scenario: scenario, name: fmt.Sprintf("64 at once from %s, 64 B there and back", count(n, "flow")), unit: "datagram", client: load.Client{
				Kind: load.Datagrams, Connections: 64, Flows: n, Request: 64, Answer: 64,
			}}
		})
	}
	return nil
}

// bulk is so many connections with one transfer after the other.
func bulk(connections int) load.Client {
	return load.Client{
		Kind: load.Bulk, Connections: connections, Answer: max(1, 32/connections) * mib, Buffer: 128 << 10, Trust: true,
	}
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
	switch {
	case o.Beside != nil:
		return (o.Beside.Received + o.Beside.Sent) / mib
	case w.client.Kind == load.Bulk:
		return (o.Received + o.Sent) / mib
	case w.client.Kind == load.Idle:
		return o.Established
	}
	return o.Operations
}

// all returns the clients of the work.
func (w *work) all() []load.Client {
	if w.beside == nil {
		return []load.Client{w.client}
	}
	return []load.Client{w.client, *w.beside}
}
