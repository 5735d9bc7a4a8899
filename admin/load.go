package admin

import (
	"fmt"
	"strconv"

	"github.com/shunt-lb/shunt/dataplane"
)

var load = scope[dataplane.Load]{prefix: "proxy_"}

// loadMetrics are about the proxy as a whole.
var loadMetrics = []metric[dataplane.Load]{
	load.gauge("connections", "TCP connections of the proxy now, over all services; clients of the sorry server are among them.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.Used) }),
	load.gauge("connections_limit", "How many there may be: maxconnections.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.Limit) }),
	load.counter("refused_connections_total", "Connections reset because there were as many as there may be.",
		func(l *dataplane.Load) uint64 { return l.Connections.Refused }),
	load.gauge("flows", "UDP flows of the proxy now, over all services.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Used) }),
	load.gauge("flows_limit", "How many there may be: maxflows.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Limit) }),
	load.counter("refused_flows_total", "Datagrams dropped because there was no room for their flow.",
		func(l *dataplane.Load) uint64 { return l.Flows.Refused }),
	load.counter("evicted_flows_total", "Flows that have given way to others before their time.",
		func(l *dataplane.Load) uint64 { return l.Evicted }),
	load.gauge("buffer_bytes", "Memory held for those who read slowly.",
		func(l *dataplane.Load) float64 { return float64(l.Buffers.Used) }),
	load.gauge("buffer_limit_bytes", "How much there may be: maxbuffers.",
		func(l *dataplane.Load) float64 { return float64(l.Buffers.Limit) }),
	load.counter("unbuffered_reads_total", "Reads made in a slower way because there was no buffer to be had.",
		func(l *dataplane.Load) uint64 { return l.Buffers.Refused }),
	load.counter("accept_pauses_total", "Moments in which nobody was taken in because the host had no descriptors or no memory.",
		func(l *dataplane.Load) uint64 { return l.Pauses }),
	load.gauge("oldest_turn_age_seconds", "How long ago the worker turned that has not for longest. Each does at least every second; from 2 on it is stuck, and /healthz says so.",
		func(l *dataplane.Load) float64 { return l.Turned.Seconds() }),
	load.counter("forgotten_sources_total", "Sources of clients whose rate began anew before its time because there were too many to remember.",
		func(l *dataplane.Load) uint64 { return l.Forgotten }),
}

// bounds says which bounds have been met, a line for each.
func bounds(l *dataplane.Load) (lines []string) {
	if l == nil {
		return nil
	}
	room := func(what string, r dataplane.Room, write func(int64) string, more string) {
		if r.Refused > 0 {
			more = fmt.Sprintf(", refused %d", r.Refused) + more
		}
		if r.Full() || more != "" {
			lines = append(lines, fmt.Sprintf("%s %s of %s%s", what, write(r.Used), write(r.Limit), more))
		}
	}
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	evicted := ""
	if l.Evicted > 0 {
		evicted = fmt.Sprintf(", evicted %d", l.Evicted)
	}
	room("connections", l.Connections, count, "")
	room("flows", l.Flows, count, evicted)
	room("buffers", l.Buffers, func(n int64) string { return size(uint64(n)) }, "")
	if err := l.Stuck(); err != nil {
		lines = append(lines, err.Error()+": restart shunt")
	}
	if l.Pauses > 0 {
		lines = append(lines, "accepting paused "+times(l.Pauses)+" for want of descriptors or memory")
	}
	if l.Forgotten > 0 {
		lines = append(lines, fmt.Sprintf("sources forgotten %d", l.Forgotten))
	}
	return lines
}

// full names what there is no room for now, and what gives more.
func full(l *dataplane.Load) string {
	switch {
	case l == nil:
		return ""
	case l.Connections.Full():
		return "new connections are reset until others end: raise maxconnections, and the limit of open files with it"
	case l.Flows.Full():
		return "new UDP flows take the place of others, or are dropped: raise maxflows, and the limit of open files with it"
	}
	return ""
}
