package dataplanetest

import (
	"slices"
	"testing"
)

// A promise is one sentence of the contract and the test that a dataplane keeps
// it.
type promise struct {
	name string
	says string
	keep func(*fixture)
}

// exempt lists the promises that a dataplane may be let off.
var exempt = map[string]func(Lacks) bool{
	"close/connections":    forwardsPackets, // the kernel goes on by itself
	"count/refused":        forwardsPackets,
	"drain/waits":          forwardsPackets,
	"drain/deadline":       forwardsPackets,
	"drain/end":            forwardsPackets,
	"limit/lower":          remembersEnded,
	"persist/timeout":      remembersEnded,
	"quiesce/removed":      cutsRemoved,
	"schedule/dead server": forwardsPackets,
	"time/idle connection": forwardsPackets,
	"time/idle flow":       forwardsPackets,
	"time/connect":         forwardsPackets,
	"udp/one packet":       noOnePacket,
}

// forwarded lists the promises that depend on how packets come to a real server
// and back: whether they arrive whole, what the director sees of a connection,
// and what becomes of connections when a real server goes. All others are about
// what the director does before there is a packet.
var forwarded = []string{
	"apply/serves", "apply/in place",
	"stream/client ends first", "stream/server ends first", "stream/reset by server", "stream/reset by client",
	"stream/proper end", "stream/upload", "stream/download", "stream/both ways",
	"quiesce/keeps connections", "quiesce/removed", "replace/under load",
	"udp/request and response", "udp/many replies", "udp/flows", "udp/removed", "udp/one packet",
	"limit/upper", "limit/lower", "count/connections", "count/datagrams", "count/active",
}

func cutsRemoved(l Lacks) bool     { return l.CutsRemoved }
func forwardsPackets(l Lacks) bool { return l.ForwardsPackets }
func noOnePacket(l Lacks) bool     { return l.NoOnePacket }
func remembersEnded(l Lacks) bool  { return l.RemembersEnded }

// binds reports whether the dataplane of a lab is held to the promise.
func (p promise) binds(l Lab) bool {
	if l.OnlyForwarded && !slices.Contains(forwarded, p.name) {
		return false
	}
	off := exempt[p.name]
	return off == nil || !off(l.Lacks)
}

// promises returns all of them, in the order in which somebody who writes a
// dataplane would make it keep them.
func promises() []promise {
	return slices.Concat(
		applying, removing, reading,
		streaming, scheduling, quiescing, replacing,
		datagrams, persisting, limiting, counting, timing,
		closing, sharing,
	)
}

// Run holds the contract against the dataplanes that lab opens, with IPv4 and
// with IPv6. With -short the heavy promises have a tenth of their load.
func Run(t *testing.T, lab Lab) {
	if lab.Patience > 0 {
		before := patience
		t.Cleanup(func() { patience = before })
		patience = lab.Patience
	}
	for _, family := range []struct {
		name string
		six  bool
	}{{"ipv4", false}, {"ipv6", true}} {
		if vip := lab.vip(family.six); !vip.IsValid() {
			continue
		}
		t.Run(family.name, func(t *testing.T) {
			if lab.Parallel {
				t.Parallel()
			}
			for _, p := range promises() {
				if p.binds(lab) {
					t.Run(p.name, func(t *testing.T) { p.hold(t, lab, family.six) })
				}
			}
		})
	}
}

// hold runs the promise on a fixture of its own.
func (p promise) hold(t testing.TB, lab Lab, six bool) {
	t.Helper()
	// The first cleanup is the last to run: the verdict after all complaints.
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("broken promise: %s", p.says)
		}
	})
	p.keep(newFixture(t, lab, six))
}
