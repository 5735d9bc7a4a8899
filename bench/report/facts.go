package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/bench/result"
)

// A fact is one thing to know about a run.
type fact struct{ name, text string }

// facts say where and how run took place; what is not known is left out.
func facts(run result.Run) []fact {
	all := []fact{
		{"began", began(run)},
		{"command", strings.Join(run.Command, " ")},
		{"machine", machine(run.Machine)},
		{"kernel", run.Machine.Kernel},
		{"programs", programs(run.Machine.Programs)},
		{"pinning", run.Pinning},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.text == "" })
}

func began(run result.Run) string {
	if run.Began.IsZero() {
		return ""
	}
	s := run.Began.Format("2006-01-02 15:04:05 -0700")
	if run.Seconds > 0 && finite(run.Seconds) {
		took := time.Duration(run.Seconds * float64(time.Second)).Round(time.Second)
		s += ", took " + took.String()
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

func programs(versions map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		parts = append(parts, name+" "+versions[name])
	}
	return strings.Join(parts, ", ")
}
