package table

import (
	"sync/atomic"

	"github.com/shunt-lb/shunt/dataplane"
)

// A traffic is the part of dataplane.Counters that each real server has. Many may
// add to it at once.
type traffic struct {
	connections, failures, cut               atomic.Uint64
	inPackets, outPackets, inBytes, outBytes atomic.Uint64
}

// counters are dataplane.Counters of a service, likewise.
type counters struct {
	traffic
	denied, throttled atomic.Uint64
	missingHeader     atomic.Uint64
	refusals          [len(dataplane.Refusals{})]atomic.Uint64
}

func (c *traffic) in(packets, bytes uint64) {
	c.inPackets.Add(packets)
	c.inBytes.Add(bytes)
}

func (c *traffic) out(packets, bytes uint64) {
	c.outPackets.Add(packets)
	c.outBytes.Add(bytes)
}

func (c *traffic) read() dataplane.Counters {
	return dataplane.Counters{
		Connections: c.connections.Load(),
		InPackets:   c.inPackets.Load(),
		OutPackets:  c.outPackets.Load(),
		InBytes:     c.inBytes.Load(),
		OutBytes:    c.outBytes.Load(),
		Failures:    c.failures.Load(),
		Cut:         c.cut.Load(),
	}
}

func (c *counters) read() dataplane.Counters {
	var refusals dataplane.Refusals
	for i := range c.refusals {
		refusals[i] = c.refusals[i].Load()
	}
	all := c.traffic.read()
	all.Refused, all.Refusals = refusals.Sum(), refusals
	all.Denied, all.Throttled, all.MissingProxyHeader = c.denied.Load(), c.throttled.Load(), c.missingHeader.Load()
	return all
}
