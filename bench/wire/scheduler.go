package wire

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// shown is how much of a sequence goes into the result.
const shown = 60

// Scheduler returns how the named scheduler (rr, wrr, ...) distributed
// connections, in what order, and whether that is right. Sources are told apart
// by address. rr and wrr have to keep the kernel's sequence from the first
// connection to the last, wherever in it they begin; sh, dh and mh one real
// server for each source; those that look at connections (lc, wlc, sed, nq, ovf)
// are held to a distribution where Service.Held says that connections stay, with
// a twentieth of leeway.
func (o *Observation) Scheduler(subject, name string) result.Scheduler {
	s := result.Scheduler{
		Subject: subject, Name: name, Protocol: o.service.Protocol,
		Weights: o.weights(), Got: o.got(), Lost: o.lost, Dropped: o.Dropped(), Added: o.Added(),
	}
	seq := o.Sequence()
	s.Sequence = seq[:min(len(seq), shown)]
	problems := o.general()
	switch all := cycle(name, s.Weights); {
	case len(all) > 0:
		rule, kept := align(all, seq)
		s.Rule, s.Expected = rule[:len(s.Sequence)], tally(rule, len(s.Got))
		problems = append(problems, departs(seq, rule, kept))
	case slices.Contains(hashing, name):
		sticky := o.sticky()
		s.Sticky = &sticky
		problems = append(problems, notSticky(sticky))
	case name == "fo" || o.service.Held:
		s.Expected = held(name, s.Weights, len(seq))
	}
	problems = append(problems, uneven(s.Got, s.Expected))
	s.Verdict = verdictOf(problems)
	return s
}

// hashing are the schedulers by which a source keeps its real server.
var hashing = []string{"sh", "dh", "mh"}

func (c *capture) weights() []int {
	out := make([]int, len(c.service.Reals))
	for i, r := range c.service.Reals {
		out[i] = r.Weight
	}
	return out
}

func (o *Observation) got() []uint64 { return tally(o.Sequence(), len(o.service.Reals)) }

func tally(seq []int, n int) []uint64 {
	out := make([]uint64, n)
	for _, real := range seq {
		if real >= 0 && real < n {
			out[real]++
		}
	}
	return out
}

// general returns problems that are wrong for any scheduler.
func (o *Observation) general() []string {
	var foreign, quiescent int
	for _, c := range o.choices {
		switch {
		case c.real < 0:
			foreign++
		case o.service.Reals[c.real].Weight == 0:
			quiescent++
		}
	}
	problems := []string{
		some(uint64(foreign), "connections to no real server of the service"),
		some(uint64(quiescent), "connections to real servers of weight 0"),
		some(o.lost, o.unit()+" lost in the director"),
		some(o.undelivered, "packets not seen where they were sent"),
		some(o.Dropped(), "packets missed by the observer: the figures are incomplete"),
	}
	if len(o.choices) == 0 {
		problems = append(problems, "no connection was seen on both sides")
	}
	return problems
}

// unit names the items that Lost counts.
func (c *capture) unit() string {
	if c.service.Method == Proxy && c.service.Protocol == "tcp" {
		return "connections"
	}
	return "packets"
}

func some(n uint64, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

func departs(seq, rule []int, kept int) string {
	if kept == len(seq) {
		return ""
	}
	return fmt.Sprintf("connection %d of %d went to real server %d, by the rule it is for %d", kept+1, len(seq), seq[kept], rule[kept])
}

func notSticky(sticky float64) string {
	if sticky == 1 {
		return ""
	}
	return fmt.Sprintf("%.2f %% of the sources did not keep to one real server", 100*(1-sticky))
}

// uneven compares counts, with leeway for what happens while a connection is
// being made.
func uneven(got, expected []uint64) string {
	for i := range expected {
		if diff := max(got[i], expected[i]) - min(got[i], expected[i]); diff > 1+expected[i]/20 {
			return fmt.Sprintf("distribution %v, expected %v", got, expected)
		}
	}
	return ""
}

func verdictOf(problems []string) string {
	problems = slices.DeleteFunc(problems, func(s string) bool { return s == "" })
	if len(problems) == 0 {
		return "ok"
	}
	return strings.Join(problems, "; ")
}

// sticking maps each source that kept to one real server to its number, and the
// others to -1.
func (o *Observation) sticking() map[netip.Addr]int {
	out := map[netip.Addr]int{}
	for _, c := range o.choices {
		a := c.client.Addr()
		if before, known := out[a]; known && before != c.real {
			out[a] = -1
		} else {
			out[a] = c.real
		}
	}
	return out
}

func (o *Observation) sticky() float64 {
	all := o.sticking()
	var kept int
	for _, real := range all {
		if real >= 0 {
			kept++
		}
	}
	return float64(kept) / float64(max(len(all), 1))
}

// Moved returns the share of the sources that kept to a real server other
// than gone in before and to another one, or none, in after.
func Moved(before, after *Observation, gone int) float64 {
	now := after.sticking()
	var all, moved int
	for source, real := range before.sticking() {
		to, seen := now[source]
		if real < 0 || real == gone || !seen {
			continue
		}
		all++
		if to != real {
			moved++
		}
	}
	return float64(moved) / float64(max(all, 1))
}
