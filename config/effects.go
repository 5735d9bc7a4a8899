package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// reviewWaiting warns of a section's own lines about connections that do
// nothing. What was meant for all sections is meant for those it suits.
func (p *parser) reviewWaiting(sec *section, v *Virtual) {
	limited := func(r Real) bool { return r.MaxConn > 0 }
	for _, name := range []string{"maxqueue", "queuetimeout", "keepalive", "tcpusertimeout"} {
		s := sec.line(name)
		switch waits := name == "maxqueue" || name == "queuetimeout"; {
		case s == &sec.head || name == "maxqueue" && v.MaxQueue == 0:
		case v.ID.Protocol == dataplane.UDP && waits:
			p.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect on a udp service: datagrams do not wait", name), "remove the line")
		case v.ID.Protocol == dataplane.UDP:
			p.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect on a udp service", name), "`idletimeout` is when the proxy ends a flow")
		case waits && v.MaxConn == 0 && !slices.ContainsFunc(v.Reals, limited):
			p.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect without `maxconn`: nobody waits", name), "add maxconn=NUMBER")
		}
	}
}

// reviewServed warns of lists that leave a service without clients. Behind a
// trusted proxy they may be of either family.
func (p *parser) reviewServed(sec *section, v *Virtual) {
	addr := v.ID.Addr.Addr()
	if !addr.IsValid() || len(v.TrustedProxies.Prefixes) > 0 {
		return
	}
	ours := func(c netip.Prefix) bool { return c.Addr().Is6() == addr.Is6() }
	all := func(c netip.Prefix) bool { return ours(c) && c.Bits() == 0 }
	some := func(c netip.Prefix) bool { return ours(c) && c.Bits() > 0 }
	family := "IPv4"
	if addr.Is6() {
		family = "IPv6"
	}
	allow, deny := v.Allow.Prefixes, v.Deny.Prefixes
	switch {
	case slices.ContainsFunc(allow, some):
	case slices.ContainsFunc(deny, all):
		s := sec.line("deny")
		p.warn(s, s.keyAt, fmt.Sprintf("no client is served: `deny` has all of %s", family), "write `allow` with the networks of those that are, and no `deny`")
	case len(allow) > 0 && !slices.ContainsFunc(allow, all):
		s := sec.line("allow")
		p.warn(s, s.keyAt, fmt.Sprintf("no client is served: `allow` has no %s network", family), "add one, or write allow=all")
	}
}

// byShare are the schedulers for which twice the weight is twice the traffic.
var byShare = []string{"wrr", "wlc", "sed", "nq"}

// Ramp returns how long a real server that comes back takes to its whole
// weight: slowstart, or 0 with a scheduler for which half of a weight is not
// half of the traffic.
func (v *Virtual) Ramp() time.Duration {
	if !slices.Contains(byShare, v.Scheduler) {
		return 0
	}
	return v.SlowStart
}

// reviewSlowStart warns of a section's own slowstart that does nothing. What
// was meant for all sections is meant for those it suits.
func (p *parser) reviewSlowStart(sec *section, v *Virtual) {
	if s := sec.line("slowstart"); s != &sec.head && v.SlowStart > 0 && v.Ramp() == 0 {
		p.warn(s, s.keyAt, fmt.Sprintf("`slowstart` has no effect with scheduler %s", v.Scheduler), "it needs wrr, wlc, sed or nq, where weights are shares")
	}
}
