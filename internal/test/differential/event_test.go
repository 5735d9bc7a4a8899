//go:build kernel

package differential

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An event is something that happens to both directors, and how their tables
// look afterwards: with quiescent=no, and with quiescent=yes if that differs.
type event struct {
	name      string
	happens   func(t *testing.T, w *walk)
	table     string
	quiescent string
	halts     bool // ldirectord waits, for as long as this lasts
}

// apart and together are the edits of an ordinary file: one by one, and in
// fewer reloads, which are what takes ldirectord its time.
var (
	apart = []event{
		{name: "weight edited", happens: reload("1:5 2:1"), table: "1:5 2:1"},
		{name: "server added", happens: reload("1:5 2:1 3:3"), table: "1:5 2:1 3:3"},
		{name: "server removed", happens: reload("2:1 3:3"), table: "2:1 3:3"},
		{name: "service removed", happens: services(true, "2:1 3:3"), table: "2:1 3:3"},
		{name: "service added", happens: services(false, "2:1 3:3"), table: "2:1 3:3"},
	}
	together = []event{
		{name: "weight edited, server added", happens: reload("1:5 2:1 3:3"), table: "1:5 2:1 3:3"},
		{name: "server removed, service removed", happens: services(true, "2:1 3:3"), table: "2:1 3:3"},
		{name: "service added", happens: services(false, "2:1 3:3"), table: "2:1 3:3"},
	}
)

// ordinary are the events of an ordinary file. The second start is over the
// table that the program itself has left, begin, or the other one, succeed.
func ordinary(edits []event, again func(weights, cleanstop string) func(*testing.T, *walk)) []event {
	return slices.Concat([]event{
		{name: "start", happens: begin("1:2 2:1", "no"), table: "1:2 2:1"},
		{name: "one check fails", happens: fail(1), table: "2:1", quiescent: "1:0 2:1"},
		{name: "all fail", happens: fail(2), table: "F", quiescent: "1:0 2:0 F"},
		{name: "one recovers", happens: mend(2), table: "2:1", quiescent: "1:0 2:1"},
		{name: "all recover", happens: mend(1), table: "1:2 2:1"},
	}, edits, []event{
		{name: "maintenance file", happens: maintain(3, true), table: "2:1", quiescent: "2:1 3:0"},
		{name: "maintenance over", happens: maintain(3, false), table: "2:1 3:3"},
		{name: "stop, cleanstop=no", happens: stop, table: "2:1 3:3"},
		{name: "table changed meanwhile", happens: tamper, table: "2:7 4:1"},
		{name: "start over that table", happens: again("2:1 3:3", "yes"), table: "2:1 3:3"},
		{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
	})
}

// begin starts both programs with a new file.
func begin(weights, cleanstop string) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		w.weights, w.cleanstop = weights, cleanstop
		w.write(t)
		for _, d := range w.directors {
			d.start(t, w.path+d.suffix)
		}
	}
}

// succeed is begin where each program finds the table that the other one left.
func succeed(weights, cleanstop string) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		one, other := w.directors[0], w.directors[1]
		one.kernel, other.kernel = other.kernel, one.kernel
		begin(weights, cleanstop)(t, w)
	}
}

func reload(weights string) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		w.weights = weights
		w.write(t)
		for _, d := range w.directors {
			d.signal(t, unix.SIGHUP)
		}
	}
}

// services reloads a file with or without its last section.
func services(withoutLast bool, weights string) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		w.withoutLast = withoutLast
		reload(weights)(t, w)
	}
}

// turn reloads a file in which every forwarding method is another.
func turn(t *testing.T, w *walk) {
	w.turned++
	reload(w.weights)(t, w)
}

func stop(t *testing.T, w *walk) {
	for _, d := range w.directors {
		d.signal(t, unix.SIGTERM)
	}
	for _, d := range w.directors {
		d.ended(t)
	}
}

func fail(numbers ...int) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		for _, n := range numbers {
			w.put(t, denied, n, true)
			w.servers[n-1].fail(t, w.file.fails)
		}
	}
}

func mend(numbers ...int) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		for _, n := range numbers {
			w.put(t, denied, n, false)
			w.servers[n-1].mend(t, w.file.fails)
		}
	}
}

// maintain puts files named after a server into the maintenance folder.
func maintain(number int, there bool) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) { w.put(t, maintenance, number, there) }
}

// all has several things happen at once.
func all(happenings ...func(*testing.T, *walk)) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		for _, h := range happenings {
			h(t, w)
		}
	}
}

// leave makes the table that somebody is said to have left.
func leave(t *testing.T, w *walk) {
	var rules []string
	for _, sec := range w.file.sections {
		rules = append(rules, sec.lines(w.state, "1:7 4:1")...)
	}
	for _, d := range w.directors {
		d.kernel.ipvsadm(t, strings.Join(rules, "\n")+"\n", "-R")
	}
}

// tamper has the table changed while nobody directs: a weight is another, a
// server is gone, and there is one that nobody knows.
func tamper(t *testing.T, w *walk) {
	var rules []string
	for _, sec := range w.file.sections {
		edited := strings.Replace(sec.line(w.state, "2:7"), "-a", "-e", 1)
		deleted := strings.Fields(strings.Replace(sec.line(w.state, "3:3"), "-a", "-d", 1))
		deleted = deleted[:slices.Index(deleted, "-r")+2]
		rules = append(rules, edited, strings.Join(deleted, " "), sec.line(w.state, "4:1"))
	}
	for _, d := range w.directors {
		d.kernel.ipvsadm(t, strings.Join(rules, "\n")+"\n", "-R")
	}
}
