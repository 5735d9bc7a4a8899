// Package trial makes the checks of a configuration once, by hand: `shunt
// check`. It needs no daemon and changes nothing.
package trial

import (
	"context"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director"
)

// maxAhead is how many checks may be under way or wait to be printed: each
// holds what it has sent and received.
const maxAhead = 64

// A Result is one check that was made.
type Result struct {
	Service string `json:"service"`
	Real    string `json:"real"`
	// Check is the name of the check, empty if there is none.
	Check string `json:"check,omitempty"`
	// Further is what a check beside the ordinary one is called, of which it is
	// empty.
	Further string `json:"further,omitempty"`
	// Events are what was sent and what came back, with secrets masked.
	Events   []checks.TraceEvent `json:"events,omitempty"`
	Duration time.Duration       `json:"duration_ns"`
	OK       bool                `json:"ok"`
	// Kind is why the check failed, in one word.
	Kind checks.Kind `json:"kind,omitempty"`
	// Verdict is one line.
	Verdict string `json:"verdict"`
	// Request is what the real server asks for, as `shunt status` shows it.
	Request string `json:"request,omitempty"`
	// Warning is what is wrong although the check succeeds.
	Warning string `json:"warning,omitempty"`
	// NotByVIP is why the check was not made by the VIP, as checkpath=vip wants.
	NotByVIP string `json:"not_by_vip,omitempty"`
	// Ldirectord is how ldirectord judges otherwise, where that is known.
	Ldirectord string `json:"ldirectord,omitempty"`
}

// A Selection is which checks are to be made. Empty is all.
type Selection struct {
	Virtual string // a service as `shunt status` names it, its address or mark, or its servicename
	Real    string // an address with or without a port, or the name in the file
}

// Select returns the checks of conf that are to be made, in the order of the
// file.
func (s Selection) Select(conf *config.Config) []director.Trial {
	var chosen []director.Trial
	for _, t := range director.Trials(conf) {
		if s.wants(t) {
			chosen = append(chosen, t)
		}
	}
	return chosen
}

func (s Selection) wants(t director.Trial) bool {
	id, real := t.Virtual.ID.String(), t.Real.Addr
	_, bare, _ := strings.Cut(id, " ")
	return is(s.Virtual, id, bare, t.Virtual.ServiceName) &&
		is(s.Real, real.String(), real.Addr().String(), "["+real.Addr().String()+"]", t.Real.Name)
}

// is reports whether what is empty or one of names.
func is(what string, names ...string) bool {
	if what == "" {
		return true
	}
	for _, n := range names {
		if n != "" && strings.EqualFold(what, n) {
			return true
		}
	}
	return false
}

// Run makes the checks of ts, several at a time, and hands their results to
// each in the order of ts, as soon as they are known. When ctx is done those
// that are under way fail, and no others begin; the error is ctx's.
func Run(ctx context.Context, ts []director.Trial, each func(Result)) error {
	ahead := make(chan chan Result, maxAhead)
	go func() {
		defer close(ahead)
		for _, t := range ts {
			if ctx.Err() != nil {
				return
			}
			result := make(chan Result, 1)
			ahead <- result
			go func() { result <- run(ctx, t) }()
		}
	}()
	for result := range ahead {
		each(<-result)
	}
	return ctx.Err()
}

func run(ctx context.Context, t director.Trial) Result {
	r := Result{Service: t.Virtual.ID.String(), Real: t.Real.Addr.String(), Check: t.Check, Further: t.Further, OK: true}
	if t.Check == "" {
		r.Verdict = "not checked: checktype=" + t.Virtual.CheckType.String()
		return r
	}
	trace := &checks.Trace{}
	came := t.Run(ctx, trace)
	err := came.Err
	r.Duration, r.Events, r.OK = came.Duration, trace.Events(), err == nil
	r.Request, r.Warning, r.NotByVIP = came.Request, came.Warning, came.NotByVIP
	r.Verdict = "the real server is well"
	if r.Request != "" {
		r.Verdict += ", and asks for " + oneLine(r.Request)
	}
	if err != nil {
		r.Kind = checks.KindOf(err)
		r.Verdict = oneLine(err.Error()) + beginning(r)
		if t.Advises && r.Kind != checks.Status {
			r.OK, r.Verdict = true, r.Verdict+": the agent says nothing, which changes nothing"
		}
	}
	r.Ldirectord = elsewhere(t, r)
	return r
}

// Failed returns how many of the checks have failed.
func Failed(results []Result) (n int) {
	for _, r := range results {
		if !r.OK {
			n++
		}
	}
	return n
}
