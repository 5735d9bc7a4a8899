package sorry

import "sync/atomic"

// Stats counts what was answered for one service since it was first set.
type Stats struct {
	Connections uint64 // accepted
	Active      int64  // open now
	Refused     uint64 // reset because a bound was reached
	Requests    uint64 // HTTP requests answered
	Lines       uint64 // connections answered with a line of their protocol
	Queries     uint64 // DNS queries answered, by TCP and UDP
	Resets      uint64 // connections reset because their protocol has no answer
	Ignored     uint64 // datagrams without an answer
	Bytes       uint64 // sent in answers, with their heads
}

type counters struct {
	connections, refused, requests, lines, queries, resets, ignored, bytes atomic.Uint64
	active                                                                 atomic.Int64
}

func (c *counters) stats() Stats {
	return Stats{
		Connections: c.connections.Load(),
		Active:      c.active.Load(),
		Refused:     c.refused.Load(),
		Requests:    c.requests.Load(),
		Lines:       c.lines.Load(),
		Queries:     c.queries.Load(),
		Resets:      c.resets.Load(),
		Ignored:     c.ignored.Load(),
		Bytes:       c.bytes.Load(),
	}
}
