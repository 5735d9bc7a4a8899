package daemon

import (
	"fmt"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// A validator finds out whether the dataplanes that the services of a
// configuration are for can serve them.
type validator struct {
	// def is the default dataplane: that of services that name none.
	def string
	// late are the dataplanes before the default one that this host may get, and
	// why it does not have each of them now. Services that need one wait for it.
	late map[string]func() error
	// waiting are the services of the latest validation that wait.
	waiting map[*config.Virtual]lack
}

// A lack is a dataplane that a service needs and this host does not have yet.
type lack struct {
	kind   *kind
	reason string
}

// newValidator returns the validator of a daemon that would be started with flag
// on this host. It needs no rights; the kernel may load modules for it.
func newValidator(flag string) (*validator, error) {
	allowed, err := candidates(flag)
	if err != nil {
		return nil, err
	}
	v := &validator{late: map[string]func() error{}}
	for _, k := range allowed {
		if k.name == flag || k.missing == nil {
			v.def = k.name
			return v, nil
		}
		err := k.missing()
		if err == nil {
			v.def = k.name
			return v, nil
		}
		v.late[k.name] = func() error { return err }
	}
	return v, nil
}

// validator returns the validator of a running daemon.
func (d *dataplanes) validator() *validator {
	v := &validator{def: d.status.Name, late: map[string]func() error{}}
	for _, k := range kinds {
		if k.name == v.def {
			break
		}
		if ready := d.ready[k.name]; ready != nil {
			v.late[k.name] = ready
		}
	}
	return v
}

// validate returns the problems for which conf cannot be run. A service that
// only needs a dataplane which this host does not have yet is no problem: it is
// for that dataplane then, and conf waits for it.
func (j *validator) validate(conf *config.Config) config.Problems {
	j.waiting = map[*config.Virtual]lack{}
	if ps := director.Validate(conf, j.limits, j.connects); len(ps) > 0 {
		return ps
	}
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		w, ok := j.waiting[v]
		if !ok {
			continue
		}
		v.Dataplane = w.kind.name
		if err := j.late[v.Dataplane](); err != nil {
			conf.Await(config.Problem{
				Pos: v.Pos, Text: fmt.Sprintf("virtual service %s needs %s, which this host does not have now: %s", v.ID, w.kind.title, w.reason),
				Hint: err.Error(),
			})
		}
	}
	return nil
}

// limits returns the reasons why v cannot be served by the dataplane it is for.
func (j *validator) limits(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
	k := dataplaneOf(v, j.def)
	limits := k.limits(v, s)
	switch {
	case !j.has(k) && j.late[k.name] == nil:
		return []*dataplane.Limit{{Directive: "dataplane", Reason: fmt.Sprintf(
			"this shunt does without %s: leave --dataplane=%s out, or leave dataplane = %s out", k.title, j.def, k.name)}}
	case !j.has(k):
		j.waiting[v] = lack{k, "dataplane = " + k.name + " asks for it"}
	case len(limits) > 0 && j.waits(v, s, limits[0].Reason):
		return nil
	}
	return limits
}

// has reports whether a daemon on this host has a dataplane now: the default
// one or one after it.
func (j *validator) has(k *kind) bool {
	for _, other := range kinds {
		switch other.name {
		case j.def:
			return true
		case k.name:
			return false
		}
	}
	return false
}

// waits lets a service that names no dataplane wait for the first late one that
// could serve it, and reports whether there is one.
func (j *validator) waits(v *config.Virtual, s dataplane.VirtualService, reason string) bool {
	if v.Dataplane != "" {
		return false
	}
	for _, k := range kinds {
		if j.late[k.name] != nil && len(k.limits(v, s)) == 0 {
			j.waiting[v] = lack{k, reason}
			return true
		}
	}
	return false
}

// connects reports whether the dataplane of v, which is part of a cycle of
// services, makes connections, which would run in that cycle for ever.
func (j *validator) connects(v *config.Virtual) bool {
	if dataplaneOf(v, j.def).inKernel {
		return false
	}
	return !j.waits(v, director.Everything(v), "it is the real server of its own real servers, where the proxy would connect to itself")
}
