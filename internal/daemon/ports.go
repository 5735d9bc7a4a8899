package daemon

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// clashes finds services of the proxy that want the same port: one on all
// addresses leaves none to those on one of them. usual is the dataplane of
// services that name none.
func clashes(conf *config.Config, usual string) (ps config.Problems) {
	at := map[dataplane.ServiceID]*config.Virtual{}
	proxied := func(v *config.Virtual) bool {
		return cmp.Or(v.Dataplane, usual) == onProxy && v.ID.Protocol != dataplane.FWMark
	}
	for i := range conf.Virtuals {
		if v := &conf.Virtuals[i]; proxied(v) {
			at[v.ID] = v
		}
	}
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if !proxied(v) || v.ID.Addr.Addr().IsUnspecified() {
			continue
		}
		all := v.ID
		all.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), v.ID.Addr.Port())
		if v.ID.Addr.Addr().Is6() {
			all.Addr = netip.AddrPortFrom(netip.IPv6Unspecified(), v.ID.Addr.Port())
		}
		if w := at[all]; w != nil {
			ps = append(ps, clash(v, w))
		}
	}
	return ps
}

// clash is the problem of v, which is on an address, and w, which is on all.
func clash(v, w *config.Virtual) config.Problem {
	pos, other := v.Pos, w
	if w.Pos.Line > v.Pos.Line {
		pos, other = w.Pos, v
	}
	return config.Problem{
		Severity: config.Error, Pos: pos,
		Text: fmt.Sprintf("the proxy cannot listen for %s and for %s at once: line %d has the port already", v.ID, w.ID, other.Pos.Line),
		Hint: fmt.Sprintf("give the service on %s an address", w.ID.Addr.Addr()),
	}
}

// ownFallbacks warns of services of the proxy that are their own fallback. The
// kernel delivers what it sends to an address of this host there; the proxy
// would come back to itself.
func ownFallbacks(conf *config.Config, usual string) (ps config.Problems) {
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if cmp.Or(v.Dataplane, usual) != onProxy || !v.OwnFallback() {
			continue
		}
		ps = append(ps, config.Problem{
			Severity: config.Warning, Pos: v.Fallback.Pos,
			Text: fmt.Sprintf("fallback %s is the virtual service %s itself: on the proxy the built-in sorry server answers in its place", v.Fallback.Addr, v.ID),
			Hint: "write fallback=sorry, and sorrypage=PATH for a page of your own",
		})
	}
	return ps
}

// oneWay warns of services of the kernel whose answers do not come back. Who
// sends syslog waits for none.
func oneWay(conf *config.Config, usual string) (ps config.Problems) {
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if !v.OnePacket || cmp.Or(v.Dataplane, usual) == onProxy {
			continue
		}
		for _, r := range v.Reals {
			if r.Forward == dataplane.Masq {
				ps = append(ps, config.Problem{
					Severity: config.Warning, Pos: r.Pos,
					Text: fmt.Sprintf("virtual service %s: with `ops` the kernel does not translate the answers of a masq real server back", v.ID),
					Hint: "that is right for what is not answered, such as syslog; otherwise use gate or ipip, or leave ops out",
				})
				break
			}
		}
	}
	return ps
}
