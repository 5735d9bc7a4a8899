package admin

import (
	"maps"
	"slices"
)

// SorryStats are the counters of the built-in sorry server for one service. The
// fields are those of sorry.Stats, so that one converts to the other.
type SorryStats struct {
	Connections uint64 // accepted
	Active      int64  // open now
	Refused     uint64 // reset because a bound was reached
	Requests    uint64 // HTTP requests answered
	Lines       uint64 // connections answered with a line of their protocol
	Queries     uint64 // DNS queries answered
	Resets      uint64 // connections reset because their protocol has no answer
	Ignored     uint64 // datagrams without an answer
	Bytes       uint64 // sent in answers
}

// A sorryCollector reads the counters by service at each scrape.
type sorryCollector func() map[string]SorryStats

var sorry = scope[SorryStats]{prefix: "sorry_", labels: []string{"service"}}

var sorryMetrics = []metric[SorryStats]{
	sorry.counter("connections_total", "Connections that the sorry server has accepted.",
		func(s *SorryStats) uint64 { return s.Connections }),
	sorry.gauge("active_connections", "Connections of the sorry server that are open now.",
		func(s *SorryStats) float64 { return float64(s.Active) }),
	sorry.counter("refused_connections_total", "Connections that the sorry server has reset because it had too many.",
		func(s *SorryStats) uint64 { return s.Refused }),
	sorry.counter("sent_bytes_total", "Bytes that the sorry server has sent in answers, with the heads of HTTP.",
		func(s *SorryStats) uint64 { return s.Bytes }),
	sorry.metric(counterKind, "answers_total",
		"Answers of the sorry server by kind: page (HTTP), line (another protocol), dns, reset, none (a datagram that it ignored).",
		[]string{"answer"}, sorryAnswers),
}

func sorryAnswers(s *SorryStats, emit sample) {
	emit(float64(s.Requests), "page")
	emit(float64(s.Lines), "line")
	emit(float64(s.Queries), "dns")
	emit(float64(s.Resets), "reset")
	emit(float64(s.Ignored), "none")
}

// families returns those of the sorry server, which may be nil.
func (c sorryCollector) families() []family {
	if c == nil {
		return nil
	}
	var items []item[SorryStats]
	stats := c()
	for _, service := range slices.Sorted(maps.Keys(stats)) {
		v := stats[service]
		items = append(items, sorry.labelled(&v, service))
	}
	return families(sorryMetrics, items...)
}
