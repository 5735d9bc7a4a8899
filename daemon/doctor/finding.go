package doctor

import (
	"fmt"

	"github.com/shunt-lb/shunt/config"
)

// Severity is how bad a finding is.
type Severity uint8

// The severities, the worst first. An Error keeps a service from working, or part
// of its clients or real servers. A Warning does so under load, after a fault, or
// for some clients. A Note is for information.
const (
	Error Severity = iota
	Warning
	Note
)

var severities = [...]string{"error", "warning", "note"}

// String returns "error", "warning" or "note".
func (s Severity) String() string { return severities[s] }

// MarshalText writes it as String does.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is one thing that an examination has found.
type Finding struct {
	Severity Severity `json:"severity"`
	// Code says which kind of finding it is, and does not change from version to
	// version.
	Code Code `json:"code"`
	// What is found, and what it Breaks.
	What   string `json:"what"`
	Breaks string `json:"breaks,omitempty"`
	// Type is a line to type that mends it, as root, or words where there is no
	// such line. There is true if that is for the real server, or for another machine.
	Type  string `json:"type,omitempty"`
	There bool   `json:"there,omitempty"`
	// At is the line of the configuration that it is about: FILE:LINE.
	At string `json:"at,omitempty"`
	// Fix is what `--fix` does, nil if it does nothing about it.
	Fix *Fix `json:"fix,omitempty"`
}

// A Report is the result of all examinations.
type Report struct {
	Findings     []Finding
	Examinations int // how many were made
}

// Count returns how many findings have a severity.
func (r *Report) Count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Status is the exit status that says it: 2 with an error, else 1 with a warning,
// else 0.
func (r *Report) Status() int {
	switch {
	case r.Count(Error) > 0:
		return 2
	case r.Count(Warning) > 0:
		return 1
	}
	return 0
}

// found returns a finding.
func found(c Code, pos config.Pos, what string, args ...any) Finding {
	f := Finding{Severity: severityOf[c], Code: c, What: fmt.Sprintf(what, args...)}
	if pos.Line > 0 {
		pos.Col = 0
		f.At = pos.String()
	}
	return f
}

// breaks adds what does not work because of it.
func (f Finding) breaks(text string, args ...any) Finding {
	f.Breaks = fmt.Sprintf(text, args...)
	return f
}

// mend adds what to type on this host.
func (f Finding) mend(line string, args ...any) Finding {
	f.Type = fmt.Sprintf(line, args...)
	return f
}

// mendThere adds what to type on another machine.
func (f Finding) mendThere(line string, args ...any) Finding {
	f = f.mend(line, args...)
	f.There = true
	return f
}

// fixed adds what --fix does, which is what to type as well.
func (f Finding) fixed(x *Fix) Finding {
	f.Fix, f.Type = x, x.Command
	return f
}

// unknown says that something was not examined.
func unknown(topic string, err error) Finding {
	return found(notExamined, config.Pos{}, "not examined: %s: %v", topic, err)
}
