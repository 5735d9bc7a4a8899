package text

import (
	"fmt"
	"strconv"

	"github.com/shunt-lb/shunt/dataplane"
)

// Bounds returns a line for each bound that has been reached.
func Bounds(l *dataplane.Load) (lines []string) {
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
	room("buffers", l.Buffers, func(n int64) string { return Size(uint64(n)) }, some("refused", l.Buffers.Refused))
	if err := l.Stuck(); err != nil {
		lines = append(lines, err.Error()+": restart shunt")
	}
	if l.Pauses > 0 {
		lines = append(lines, "accepting paused "+Times(l.Pauses)+" for want of descriptors, memory or local ports")
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
		text = ", clients waited " + Times(r.Refused)
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
