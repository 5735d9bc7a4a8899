package admin

import "github.com/shunt-lb/shunt/dataplane"

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
