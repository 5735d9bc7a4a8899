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
	load.gauge("connections_own", "How many connections each service has to itself.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.Own) }),
	load.gauge("full_listeners", "Listeners at which clients wait to be accepted now, because there are as many connections as there may be.",
		func(l *dataplane.Load) float64 { return float64(l.Connections.Holding) }),
	load.counter("accept_waits_total", "How often clients of a service began to wait to be accepted, because there were as many connections as there may be.",
		func(l *dataplane.Load) uint64 { return l.Connections.Refused }),
	load.gauge("flows", "UDP flows of the proxy now, over all services.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Used) }),
	load.gauge("flows_limit", "How many there may be: maxflows, or what descriptors, memory and local ports allow.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Limit) }),
	load.gauge("flows_own", "How many UDP flows each service has to itself.",
		func(l *dataplane.Load) float64 { return float64(l.Flows.Own) }),
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
	load.counter("accept_pauses_total", "Moments in which nobody was taken in because the host had no descriptors, no memory or no local ports.",
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
		if !r.Full() && more == "" {
			return
		}
		if r.Own > 0 {
			more += fmt.Sprintf(", %d for each service alone", r.Own)
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
	if l.Forgotten > 0 {
		lines = append(lines, fmt.Sprintf("sources forgotten %d", l.Forgotten))
	}
	return lines
}

// some is a count with what it counts, nothing for none.
func some(what string, n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %s %d", what, n)
}

// waited says whether clients have had to wait for a connection, and do.
func waited(r dataplane.Room) string {
	var text string
	if r.Refused > 0 {
		text = ", clients waited " + times(r.Refused)
	}
	if r.Holding > 0 {
		text += ", and wait now"
	}
	return text
}

// less says why there may not be more, or not as many as the configuration asks
// for.
func less(r dataplane.Room) string {
	if r.By == "" {
		return ""
	}
	if r.Asked == 0 {
		return " as " + wanting(r.By).what + " allows"
	}
	return fmt.Sprintf(" by %s and not %d", wanting(r.By).what, r.Asked)
}

// A want is what bounds something, and what gives more of it.
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

// full names what there is no room for now, and what gives more.
func full(l *dataplane.Load) (lines []string) {
	if l == nil {
		return nil
	}
	if l.Connections.Full() || l.Connections.Holding > 0 {
		lines = append(lines, "new connections wait until others end: raise maxconnections, and the limit of open files with it")
	}
	if l.Flows.Full() {
		lines = append(lines, "new UDP flows take the place of others, or are dropped: "+wanting(l.Flows.By).more)
	}
	return lines
}
