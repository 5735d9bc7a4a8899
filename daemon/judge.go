package daemon

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/ipvs"
	"github.com/shunt-lb/shunt/proxy"
)

// A judge says which dataplane the services of a configuration are for, and
// whether it can serve them.
type judge struct {
	// usual is the dataplane of services that name none.
	usual string
	// missing returns why this host has no IPVS now, where services that need it
	// wait for it; nil where nobody looks for any.
	missing func() error
	// waits are the services that need it, and why.
	waits map[*config.Virtual]string
}

// judgeOf is for a dataplane as the flag says it: with auto or nothing, what
// this host has. The kernel may load its module for it; no rights are needed.
func judgeOf(name string) *judge {
	if name == onProxy || name == onIPVS {
		return &judge{usual: name}
	}
	k, err := newIPVS(ipvs.Options{})
	if err == nil {
		_ = k.Close()
	}
	if err == nil || errors.Is(err, ipvs.ErrNoRights) {
		return &judge{usual: onIPVS}
	}
	return &judge{usual: onProxy, missing: func() error { return err }}
}

// judge is that of a daemon which runs on p.
func (p *plane) judge() *judge {
	j := &judge{usual: p.status.Name}
	if j.usual == onProxy && p.kernel != nil {
		j.missing = func() error { _, err := p.kernel.open(); return err }
	}
	return j
}

// validate returns what keeps conf from being run, by its text and the
// dataplane that was asked for. What this host lacks alone is waited for: the
// service is for IPVS then.
func (j *judge) validate(conf *config.Config) config.Problems {
	j.waits = map[*config.Virtual]string{}
	if ps := director.Validate(conf, j.limits, j.connects); len(ps) > 0 {
		return ps
	}
	if len(j.waits) == 0 {
		return nil
	}
	err := j.missing()
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		why, ok := j.waits[v]
		if !ok {
			continue
		}
		v.Dataplane = onIPVS
		if err != nil {
			conf.Await(config.Problem{
				Pos: v.Pos, Text: fmt.Sprintf("virtual service %s needs IPVS, which this host does not have now: %s", v.ID, why),
				Hint: err.Error(),
			})
		}
	}
	return nil
}

// limits says why a service cannot be served by the dataplane it is for.
func (j *judge) limits(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
	switch on := cmp.Or(v.Dataplane, j.usual); {
	case on == onProxy:
		limits := proxy.Unsupported(s)
		if len(limits) > 0 && j.may(v) && len(kernelLimits(v, s)) == 0 {
			j.waits[v] = limits[0].Reason
			return nil
		}
		return limits
	case j.usual == onIPVS:
	case j.missing == nil:
		return []*dataplane.Limit{{Directive: "dataplane", Reason: "this shunt has the proxy alone: leave --dataplane=proxy out, or load the module ip_vs if the kernel has none, or leave dataplane = ipvs out"}}
	default:
		j.waits[v] = "dataplane = ipvs asks for it"
	}
	return kernelLimits(v, s)
}

// kernelLimits says why the kernel cannot serve a service.
func kernelLimits(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
	return append(deskLimits(v, s), ipvs.Unsupported(withoutDesk(s))...)
}

// may reports whether v, which is for the proxy, may wait for IPVS instead.
func (j *judge) may(v *config.Virtual) bool { return v.Dataplane == "" && j.missing != nil }

// connects reports whether the dataplane of v, which stands in a circle of
// services, makes connections that would run on and on.
func (j *judge) connects(v *config.Virtual) bool {
	if cmp.Or(v.Dataplane, j.usual) != onProxy {
		return false
	}
	if j.may(v) && len(kernelLimits(v, director.Everything(v))) == 0 {
		j.waits[v] = "it is the real server of its own real servers, where the proxy would connect to itself"
		return false
	}
	return true
}
