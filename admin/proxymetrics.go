package admin

import (
	"fmt"
	"strconv"

	"github.com/shunt-lb/shunt/dataplane"
)

var load = scope[dataplane.Load]{prefix: "proxy_"}

// loadMetrics are about the proxy as a whole.
var loadMetrics = []metric[dataplane.Load]{
	load.gauge("connections", "TCP connections of the proxy now, over all services, including those to the sorry server.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.Used) }),
	load.gauge("connections_limit", "Limit of TCP connections: maxconnections.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.Limit) }),
	load.gauge("connections_reserved", "Connections reserved for each service.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.Reserved) }),
	load.gauge("full_listeners", "Listeners at which clients wait to be accepted now because the limit of connections is reached.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.FullListeners) }),
	load.counter("accept_waits_total", "How often clients of a service had to wait to be accepted because the limit of connections was reached.",
		func(l *dataplane.Load) uint64 { return l.Connections.Refused }),
	load.gauge("flows", "UDP flows of the proxy now, over all services.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Used) }),
	load.gauge("flows_limit", "Limit of UDP flows: maxflows, or what descriptors, memory and local ports allow.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Limit) }),
	load.gauge("flows_reserved", "UDP flows reserved for each service.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Reserved) }),
	load.counter("refused_flows_total", "Datagrams dropped because the limit of flows was reached.",
		func(l *dataplane.Load) uint64 { return l.Flows.Refused }),
	load.counter("evicted_flows_total", "Flows evicted to make room for others.",
		func(l *dataplane.Load) uint64 { return l.Evicted }),
	load.gauge("buffer_bytes", "Memory that buffers data for slow readers.",
		func(l *dataplane.Load) float64 { return float64(l.Buffers.Used) }),
	load.gauge("buffer_limit_bytes", "Limit of that memory: maxbuffers.",
		func(l *dataplane.Load) float64 { return float64(l.Buffers.Limit) }),
	load.counter("unbuffered_reads_total", "Reads that took the slow path because no buffer was free.",
		func(l *dataplane.Load) uint64 { return l.Buffers.Refused }),
	load.counter("accept_pauses_total", "How often the proxy paused accepting because the host had no descriptors, no memory or no local ports.",
		func(l *dataplane.Load) uint64 { return l.Pauses }),
	load.gauge("oldest_loop_age_seconds", "Seconds since the event loop of a worker last ran, for the worker whose loop ran longest ago. Each runs at least once a second; from 2 seconds on it is stuck, and /healthz says so.",
		func(l *dataplane.Load) float64 { return l.LoopAge.Seconds() }),
	load.counter("evicted_sources_total", "Sources of clients whose rate was forgotten early because there were too many to remember.",
		func(l *dataplane.Load) uint64 { return l.EvictedSources }),
}

// bounds returns a line for each bound that has been reached.
func bounds(l *dataplane.Load) (lines []string) {
	if l == nil {
		return nil
	}
	room := func(what string, r dataplane.Usage, write func(int64) string, more string) {
		if !r.Full() && more == "" {
			return
		}
		if r.Reserved > 0 {
			more += fmt.Sprintf(", %d reserved for each service", r.Reserved)
		}
		lines = append(lines, fmt.Sprintf("%s %s of %s%s", what, write(r.Used), write(r.Limit), more))
	}
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	room("connections", l.Connections, count, waited(l.Connections))
	flows := some("refused", l.Flows.Refused) + some("evicted", l.Evicted)
	if l.Flows.Full() || l.Flows.Asked > 0 || flows != "" {
		flows = less(l.Flows) + flows
	}
	room("flows", l.Flows, count, flows)
	room("buffers", l.Buffers, func(n int64) string { return size(uint64(n)) }, some("refused", l.Buffers.Refused))
	if err := l.Stuck(); err != nil {
		lines = append(lines, err.Error()+": restart shunt")
	}
	if l.Pauses > 0 {
		lines = append(lines, "accepting paused "+times(l.Pauses)+" for want of descriptors, memory or local ports")
	}
	if l.EvictedSources > 0 {
		lines = append(lines, fmt.Sprintf("sources evicted %d", l.EvictedSources))
	}
	return lines
}

// some returns a number with its noun, "" for none.
func some(what string, n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %s %d", what, n)
}

// waited returns a clause about clients that had to wait for a connection, or
// wait now.
func waited(r dataplane.Usage) string {
	var text string
	if r.Refused > 0 {
		text = ", clients waited " + times(r.Refused)
	}
	if r.FullListeners > 0 {
		text += ", and wait now"
	}
	return text
}

// less returns a clause that says why a limit is below the configured one.
func less(r dataplane.Usage) string {
	if r.By == "" {
		return ""
	}
	if r.Asked == 0 {
		return " as " + wanting(r.By).what + " allows"
	}
	return fmt.Sprintf(" by %s and not %d", wanting(r.By).what, r.Asked)
}

// A want is what limits a resource, and what would raise the limit.
type want struct{ what, more string }

func wanting(s dataplane.Scarcity) want {
	switch s {
	case dataplane.Ports:
		return want{"the range of local ports", "widen the sysctl net.ipv4.ip_local_port_range"}
	case dataplane.Files:
		return want{"the limit of open files", "raise the limit of open files"}
	case dataplane.Memory:
		return want{"memory", "raise maxflows if there is more memory than the machine says"}
	}
	return want{"maxflows", "raise maxflows, and the limit of open files with it"}
}

// full returns a line for each limit that is reached now, with what would raise
// it.
func full(l *dataplane.Load) (lines []string) {
	if l == nil {
		return nil
	}
	if l.Connections.Full() || l.Connections.FullListeners > 0 {
		lines = append(lines, "new connections wait until others end: raise maxconnections, and the limit of open files with it")
	}
	if l.Flows.Full() {
		lines = append(lines, "new UDP flows take the place of others, or are dropped: "+wanting(l.Flows.By).more)
	}
	return lines
}
