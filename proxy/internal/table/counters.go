package table

import (
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
)

// counters are dataplane.Counters that many may add to at once.
type counters struct {
	connections, failures, cut               atomic.Uint64
	denied, throttled                        atomic.Uint64
	inPackets, outPackets, inBytes, outBytes atomic.Uint64
	missingHeader                            atomic.Uint64
	refusals                                 [len(dataplane.Refusals{})]atomic.Uint64
}

func (c *counters) in(packets, bytes uint64) {
	c.inPackets.Add(packets)
	c.inBytes.Add(bytes)
}

func (c *counters) out(packets, bytes uint64) {
	c.outPackets.Add(packets)
	c.outBytes.Add(bytes)
}

func (c *counters) read() dataplane.Counters {
	var refusals dataplane.Refusals
	for i := range c.refusals {
		refusals[i] = c.refusals[i].Load()
	}
	return dataplane.Counters{
		Connections: c.connections.Load(),
		InPackets:   c.inPackets.Load(),
		OutPackets:  c.outPackets.Load(),
		InBytes:     c.inBytes.Load(),
		OutBytes:    c.outBytes.Load(),
		Failures:    c.failures.Load(),
		Refused:     refusals.Sum(),
		Refusals:    refusals,
		Denied:      c.denied.Load(),
		Throttled:   c.throttled.Load(),
		Cut:         c.cut.Load(),

		MissingProxyHeader: c.missingHeader.Load(),
	}
}
