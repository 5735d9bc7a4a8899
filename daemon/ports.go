package daemon

import (
	"fmt"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// ownFallbacks warns of services of the proxy that are their own fallback. The
// kernel delivers packets for an address of this host on it; the proxy would
// connect to itself.
func ownFallbacks(conf *config.Config, def string) (ps config.Problems) {
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if dataplaneOf(v, def).inKernel || !v.OwnFallback() {
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

// oneWay warns of services of the kernel whose answers do not come back, which is
// right only for clients that expect none, such as those of syslog.
func oneWay(conf *config.Config, def string) (ps config.Problems) {
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if !v.OnePacket || !dataplaneOf(v, def).inKernel {
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
