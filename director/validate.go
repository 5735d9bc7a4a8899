package director

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/cycles"
)

// Limits returns why the dataplane that v is for cannot serve it, nil if it can. s
// is v with everything in use. It is a pure function.
type Limits func(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit

// Validate returns the problems for which a well-formed configuration cannot be
// run: checks that do not exist or come twice, services that the dataplane cannot serve, and
// services whose connections come back to them. connects reports
// whether the dataplane that a service is for makes connections itself. Each
// problem names the directive and its line.
func Validate(conf *config.Config, limits Limits, connects func(*config.Virtual) bool) config.Problems {
	ps := cycles.Find(conf, connects)
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		ps = append(ps, missingChecks(v)...)
		ps = append(ps, repeatedChecks(v)...)
		for _, l := range limits(v, Everything(v)) {
			// The services of a range have equal problems.
			if p := limitProblem(v, l); !slices.Contains(ps, p) {
				ps = append(ps, p)
			}
		}
	}
	return ps
}

// missingChecks returns the checks of a service that do not exist.
func missingChecks(v *config.Virtual) config.Problems {
	var ps config.Problems
	made := checksOf(v, &config.Real{}, nil)
	for i := range made {
		pos := at(v, "service")
		if i > 0 {
			pos = v.Further()[i-1].Pos
		}
		for _, name := range made[i].Names() {
			if _, ok := checks.For(name); !ok {
				ps = append(ps, config.Problem{
					Severity: config.Error, Pos: pos,
					Text: fmt.Sprintf("virtual service %s: checks of service %s are not in this build", v.ID, name),
					Hint: checks.Missing(name),
				})
			}
		}
	}
	return ps
}

// repeatedChecks returns the checks of a service that ask the same of a real server
// as one before: each result of theirs would count twice.
func repeatedChecks(v *config.Virtual) config.Problems {
	for i := range v.Reals {
		made := checksOf(v, &v.Reals[i], nil)
		for j := 1; j < len(made); j++ {
			direct := v.CheckPath != config.CheckPathVIP // else the ordinary one goes another way
			if made[:j].place(&made[j], false) > 0 || direct && made[j].ID == made[0].ID {
				return config.Problems{{
					Severity: config.Error, Pos: v.Further()[j-1].Pos,
					Text: fmt.Sprintf("virtual service %s: %s asks %s the same as a check before it", v.ID, v.Further()[j-1].Name(), v.Reals[i].Addr),
					Hint: "remove one of them",
				}}
			}
		}
	}
	return nil
}

// Everything returns the service with all of its real servers and its fallback in
// use, the most that can be applied.
func Everything(v *config.Virtual) dataplane.VirtualService {
	sv := newService(v)
	for _, s := range sv.servers {
		s.health.Up = true
	}
	sv.fallbackOn = true
	w := sv.wanted()
	if v.OnDown == "cut" {
		w.Cut = sv.all()
	}
	return w
}

func limitProblem(v *config.Virtual, l *dataplane.Limit) config.Problem {
	pos := at(v, l.Directive)
	switch {
	case l.Directive == "real":
		pos = serverPos(v, l.Server)
	case l.Directive == "maxconn" && v.MaxConn == 0:
		pos = limitedPos(v)
	}
	return config.Problem{Severity: config.Error, Pos: pos, Text: fmt.Sprintf("virtual service %s: %s", v.ID, l.Reason)}
}

// serverPos returns the line of the real server or fallback at addr.
func serverPos(v *config.Virtual, addr netip.AddrPort) config.Pos {
	for i := range v.Reals {
		if v.ID.Mapped(v.Reals[i].Addr, v.Reals[i].Forward) == addr {
			return v.Reals[i].Pos
		}
	}
	if f := v.Fallback; f != nil && v.ID.Mapped(f.Addr, f.Forward) == addr {
		return f.Pos
	}
	return v.Pos
}

// limitedPos returns the line of the first real server with a maxconn of its own.
func limitedPos(v *config.Virtual) config.Pos {
	for i := range v.Reals {
		if v.Reals[i].MaxConn > 0 {
			return v.Reals[i].Pos
		}
	}
	return v.Pos
}

// at returns the line of a directive, or that of the service if no line sets it.
func at(v *config.Virtual, directive string) config.Pos {
	if o, ok := v.Origins[directive]; ok && o.Pos.Line > 0 {
		return o.Pos
	}
	return v.Pos
}
