// Package doctor examines a host beside a configuration: `shunt doctor`. It finds
// what keeps services from being forwarded, although the file is good. It changes
// nothing, except that the kernel may load the modules of IPVS when it is asked
// whether it has them, as `shunt run` does.
//
// It works in the network namespace of the process.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// limit is the time that one examination has.
const limit = 5 * time.Second

// A Subject is what is examined.
type Subject struct {
	*daemon.Inspection
	// Settings are those of the kernel.
	Settings sysctl.Dir
	// Process is the number of the shunt that runs with this configuration, 0 if
	// none does: this process stands for the one that will be started.
	Process int
}

// An examination looks at one topic. It returns when ctx is done, or soon after, or its
// findings are lost.
type examination struct {
	topic string
	look  func(context.Context, *Subject) []Finding
}

// examinations are all of them, in the order of the report.
var examinations = []examination{
	{"file", file},
	{"programs", programs},
	{"kernel", kernel},
	{"rights", rights},
	{"settings", settings},
	{"addresses", addresses},
	{"links", links},
	{"ports", ports},
	{"real servers", reals},
	{"tunnels", tunnels},
	{"connection tracking", conntrack},
	{"local ports", localPorts},
	{"timeouts", timeouts},
	{"descriptors", descriptors},
	{"clock", clock},
	{"other directors", others},
}

// Examine makes all examinations, side by side, and returns what they have found,
// the worst first. It takes little more than five seconds at most.
func Examine(ctx context.Context, s *Subject) Report {
	found := make([]chan []Finding, len(examinations))
	for i, e := range examinations {
		found[i] = make(chan []Finding, 1)
		go func() { found[i] <- e.examine(ctx, s) }()
	}
	r := Report{Examinations: len(examinations)}
	for _, f := range found {
		r.Findings = append(r.Findings, <-f...)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Severity, b.Severity) })
	return r
}

// Refused returns the report about a file that has errors: nothing else can be
// examined.
func Refused(ps config.Problems) Report {
	return Report{Findings: problems(ps), Examinations: 1}
}

// examine is look, which may hang in the kernel, with a limit.
func (e examination) examine(ctx context.Context, s *Subject) []Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := make(chan []Finding, 1)
	go func() { found <- e.look(ctx, s) }()
	select {
	case f := <-found:
		return f
	case <-ctx.Done():
	}
	select {
	case f := <-found:
		return f
	case <-time.After(limit / 10): // it is putting its findings together
		return []Finding{unknown(e.topic, fmt.Errorf("it takes longer than %v", limit))}
	}
}
