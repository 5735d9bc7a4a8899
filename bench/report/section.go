package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/bench/result"
)

// A section is one part of a report. All printers show its texts and tables,
// the page its plots as well.
type section struct {
	Title, About string
	Tables       []table  // never without rows
	Notes        []string // what to know when reading them
	Plots, Small []figure // small ones stand side by side
}

// sections returns the sections of run that are not empty.
func sections(run result.Run) []section {
	colour := palette{}
	all := summary(run)
	for _, g := range run.Groups() {
		all = append(all, measures(g, colour))
	}
	if len(run.Schedulers) > 0 {
		all = append(all, schedulers(run.Schedulers, colour))
	}
	if len(run.Rewrites) > 0 {
		all = append(all, rewrites(run.Rewrites))
	}
	if len(run.Failovers) > 0 {
		all = append(all, failovers(run.Failovers, colour))
	}
	if len(run.Checks) > 0 {
		all = append(all, checks(run.Checks, colour))
	}
	for i := range all {
		all[i].Plots = slices.DeleteFunc(all[i].Plots, func(f figure) bool { return f.SVG == "" })
		all[i].Small = slices.DeleteFunc(all[i].Small, func(f figure) bool { return f.SVG == "" })
	}
	return all
}

// A fact is one thing to know about a run.
type fact struct{ Name, Text string }

// facts returns the facts about run; unknown ones are left out.
func facts(run result.Run) []fact {
	var programs []string
	for _, name := range slices.Sorted(maps.Keys(run.Machine.Programs)) {
		programs = append(programs, name+" "+run.Machine.Programs[name])
	}
	all := []fact{
		{"began", began(run)},
		{"command", strings.Join(run.Command, " ")},
		{"machine", machine(run.Machine)},
		{"kernel", run.Machine.Kernel},
		{"programs", strings.Join(programs, ", ")},
		{"pinning", run.Pinning},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Text == "" })
}

func began(run result.Run) string {
	if run.Began.IsZero() {
		return ""
	}
	s := run.Began.Format("2006-01-02 15:04:05 -0700")
	if run.Seconds > 0 && finite(run.Seconds) {
		s += ", took " + time.Duration(run.Seconds*float64(time.Second)).Round(time.Second).String()
	}
	return s
}

func machine(m result.Machine) string {
	var parts []string
	if m.Processor != "" {
		parts = append(parts, m.Processor)
	}
	if m.Processors > 0 {
		parts = append(parts, fmt.Sprintf("processors: %d", m.Processors))
	}
	if m.Memory > 0 {
		parts = append(parts, "memory: "+volume(float64(m.Memory)))
	}
	if m.Emulated {
		parts = append(parts, "EMULATED: figures of time mean nothing elsewhere")
	}
	return strings.Join(parts, ", ")
}
