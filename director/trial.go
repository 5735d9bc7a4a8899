package director

import (
	"context"
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/request"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// A Trial is one check of a real server that somebody makes by hand.
type Trial struct {
	Virtual *config.Virtual
	Real    *config.Real
	// Check is the name of the check, for [checks.For]; empty if the real
	// server is not checked, as checktype says.
	Check string
	// Further is what a check beside the ordinary one is called, as in
	// CheckStatus; of the ordinary one it is empty.
	Further string
	// Advises reports that the check asks an agent, whose silence changes nothing.
	Advises bool
	// Target is the check's argument; its Trace is nil.
	Target  checks.Target
	Timeout time.Duration
	// Path is the way to the VIP, if it is to be checked as well. It has a mark if
	// there is one; else NotByVIP says why not.
	Path     checks.Path
	NotByVIP string
}

// Trials returns the checks that a director makes with a configuration, in the
// order of the file. A real server with checktype=N has two of them, one that
// is not checked has one without a name.
func Trials(conf *config.Config) []Trial {
	var all []Trial
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		for j := range v.Reals {
			all = append(all, trialsOf(v, &v.Reals[j])...)
		}
	}
	return all
}

func trialsOf(v *config.Virtual, r *config.Real) []Trial {
	made := checksOf(v, r, nil)
	if len(made) == 0 {
		return []Trial{{Virtual: v, Real: r}}
	}
	var all []Trial
	names := spec.NamesOf(v)
	for i := range made {
		k, further, path := &made[i], "", checks.Path{}
		if i > 0 {
			further = names[i]
		} else if key, ok := pathTo(v, r); ok {
			path = key.check(v, k.Check)
		}
		for _, name := range k.Names() {
			all = append(all, Trial{Virtual: v, Real: r, Further: further, Advises: k.advises, Check: name, Target: k.Whole(nil), Timeout: k.Limit(name), Path: path})
		}
	}
	return all
}

// TrialPaths gives the trials that are to be made by the VIP as well the marks of
// their paths, which it returns: they are for checks by hand alone. Trials beyond
// [dataplane.MaxPaths] get no mark.
func TrialPaths(all []Trial) []dataplane.Path {
	var list []dataplane.Path
	marks := map[pathKey]uint32{}
	for i := range all {
		t := &all[i]
		key, ok := pathTo(t.Virtual, t.Real)
		if !ok || t.NotByVIP != "" || !t.Path.VIP.IsValid() {
			continue
		}
		mark, known := marks[key]
		if !known && len(list) < dataplane.MaxPaths {
			mark = dataplane.FirstTrialMark + uint32(len(list))
			marks[key] = mark
			list = append(list, dataplane.Path{Mark: mark, IPv6: key.six, Server: key.server})
		}
		if t.Path.Mark = mark; mark == 0 {
			t.NotByVIP = fmt.Sprintf("more than %d real servers are to be checked by their VIP at once", dataplane.MaxPaths)
		}
	}
	return list
}

// A TrialResult is the result of a trial.
type TrialResult struct {
	Duration time.Duration
	Err      error // why the real server is not well
	// Request is what it asks for beside that, as a status has it, "" for nothing.
	Request string
	// Warning is what is wrong although it is well, "" for nothing.
	Warning string
	// NotByVIP is why the check was not made by the VIP as well, "" if it was, or
	// was not to be.
	NotByVIP string
}

// Run makes the check once, and records in trace what was sent and what came
// back.
func (t Trial) Run(ctx context.Context, trace *checks.Trace) (r TrialResult) {
	check, ok := checks.For(t.Check)
	if !ok {
		return TrialResult{Err: fmt.Errorf("there is no check of service %s in this version", t.Check)}
	}
	t.Target.Trace, t.Target.Note = trace, &checks.Note{}
	r.NotByVIP = t.NotByVIP
	if t.Path.Mark != 0 {
		check = checks.ByVIP(check, t.Path, func(why error) { r.NotByVIP = why.Error() })
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	began := time.Now()
	r.Err = check(ctx, t.Target)
	r.Duration = time.Since(began)
	if r.Err == nil {
		var asks request.Request
		asks.Add(t.Target.Note)
		r.Request, r.Warning = asks.String(), t.Target.Note.Warning
	}
	return r
}
