package director

import (
	"context"
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// A Trial is one check of a real server that somebody makes by hand.
type Trial struct {
	Virtual *config.Virtual
	Real    *config.Real
	// Check is the name of the check, for [checks.For]; empty if the real
	// server is not checked, as checktype says.
	Check string
	// Target is what the check is told; its Trace is nil.
	Target  checks.Target
	Timeout time.Duration
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
	s := spec.For(v, r)
	if s == nil {
		return []Trial{{Virtual: v, Real: r}}
	}
	target := s.Whole(nil)
	var all []Trial
	for _, name := range s.Names() {
		all = append(all, Trial{Virtual: v, Real: r, Check: name, Target: target, Timeout: s.Limit(name)})
	}
	return all
}

// Run makes the check once, and records in trace what was sent and what came
// back. It returns how long that took.
func (t Trial) Run(ctx context.Context, trace *checks.Trace) (took time.Duration, err error) {
	check, ok := checks.For(t.Check)
	if !ok {
		return 0, fmt.Errorf("there is no check of service %s in this version", t.Check)
	}
	t.Target.Trace = trace
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	began := time.Now()
	err = check(ctx, t.Target)
	return time.Since(began), err
}
