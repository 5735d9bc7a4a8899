package problem

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

const (
	// maxProblems is how many problems of a file are reported. Equal ones count
	// as one.
	maxProblems = 100
	// maxReport is how many bytes they take, as text or as JSON. The lines that
	// count the rest come on top.
	maxReport = 60 << 10
)

// A List holds those problems of one severity that come first in the file. The
// zero value is an empty one.
type List struct {
	held map[wording]*finding
	last *finding // of held, the one farthest down in the file; nil while there is room
	seen int      // how many have ever been held
	rest int      // how many are not held
}

// A wording identifies equal problems.
type wording struct{ file, text, hint string }

// A finding is a problem with its number in the order of finding.
type finding struct {
	Problem
	turn int
	line int // its latest line
}

// Add adds a problem. Texts that are too long are cut.
func (l *List) Add(p Problem) {
	p.Text, p.Hint, p.Line = clip(p.Text), clip(p.Hint), clipLine(p.Line)
	key := wording{p.Pos.File, p.Text, p.Hint}
	switch f := l.held[key]; {
	case p.untold():
		l.rest += p.Count
	case f != nil:
		if f.line != p.Pos.Line {
			f.again(p)
		}
		f.line = p.Pos.Line
	case l.Full() && p.Pos.compare(l.last.Pos) >= 0:
		l.rest += p.times()
	default:
		l.hold(key, p)
	}
}

// Full reports whether l is full: it then holds a new problem only in place of
// one farther down in the file.
func (l *List) Full() bool { return len(l.held) >= maxProblems }

// Empty reports whether nothing was ever added.
func (l *List) Empty() bool { return len(l.held) == 0 }

func (l *List) hold(key wording, p Problem) {
	if l.held == nil {
		l.held = map[wording]*finding{}
	}
	if l.Full() {
		l.rest += l.last.times()
		delete(l.held, wording{l.last.Pos.File, l.last.Text, l.last.Hint})
	}
	l.seen++
	l.held[key] = &finding{Problem: p, turn: l.seen, line: p.Pos.Line}
	if !l.Full() {
		return
	}
	l.last = nil
	for _, f := range l.held {
		if l.last == nil || f.Pos.compare(l.last.Pos) > 0 {
			l.last = f
		}
	}
}

// Problems returns the problems of l with severity s and with note behind each
// text, and one that counts the rest.
func (l *List) Problems(s Severity, note string) Problems {
	found := slices.SortedFunc(maps.Values(l.held), func(a, b *finding) int { return a.turn - b.turn })
	var ps Problems
	for _, f := range found {
		p := f.Problem
		p.Severity, p.Text = s, p.Text+note
		ps = append(ps, p)
	}
	if l.rest > 0 {
		ps = append(ps, Problem{Severity: s, Count: l.rest})
	}
	return ps
}

func (p Pos) compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Join returns the problems of lists as those of one file: equal ones as one, in the
// order of the file's lines, those of other files behind. If there are too many, the
// rest, warnings first, is counted in a problem without a position.
func Join(file string, lists ...Problems) Problems {
	var bySeverity [len(byRoom)]List
	for _, ps := range lists {
		for _, p := range ps {
			bySeverity[p.Severity].Add(p)
		}
	}
	var shown Problems
	room := report{file: file, bytes: maxReport, problems: maxProblems}
	for _, s := range byRoom {
		shown = append(shown, room.take(bySeverity[s].Problems(s, ""))...)
	}
	slices.SortStableFunc(shown, room.order)
	return append(shown, room.left...)
}

// byRoom are the severities in the order in which they get room.
var byRoom = [...]Severity{Error, Waiting, Warning}

// A report has the room that is left for problems.
type report struct {
	file            string
	bytes, problems int
	left            Problems // counts of those without room
}

// take returns those of ps that there is room for, in their order.
func (r *report) take(ps Problems) (shown Problems) {
	slices.SortStableFunc(ps, r.order)
	left := 0
	for _, p := range ps {
		size := p.size()
		if p.untold() || r.problems == 0 || size > r.bytes {
			left += p.times()
			continue
		}
		r.problems, r.bytes = r.problems-1, r.bytes-size
		shown = append(shown, p)
	}
	if left > 0 {
		r.left = append(r.left, Problem{
			Severity: ps[0].Severity, Pos: Pos{File: r.file}, Count: left,
			Text: fmt.Sprintf("%s not shown", Plural(left, "more "+ps[0].Severity.String())),
		})
	}
	return shown
}

// order compares problems by line, those of the file itself first.
func (r *report) order(a, b Problem) int {
	foreign := func(p Problem) string {
		if p.Pos.File == r.file {
			return ""
		}
		return p.Pos.File
	}
	return cmp.Or(cmp.Compare(foreign(a), foreign(b)), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
}
