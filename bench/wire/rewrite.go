package wire

import (
	"fmt"

	"github.com/shunt-lb/shunt/bench/result"
)

// Rewrite returns the changes of packets, and whether all of them kept the
// promises of the method. Before and After of a field are those of the first
// packet, or of the first by which the promise was broken. With a proxy the first
// packets of two connections are compared. Fields of packets that come back have
// names that begin with "reply".
func (o *Observation) Rewrite(subject string) result.Rewrite {
	six := o.service.Addr.Addr().Is6()
	r := result.Rewrite{Subject: subject, Method: o.service.Method, Family: "IPv4"}
	if six {
		r.Family = "IPv6"
	}
	var there, back []pair
	for _, m := range o.compared() {
		if m.reply {
			back = append(back, m)
		} else {
			there = append(there, m)
		}
	}
	problems := o.examine(&r, "", promises(r.Method, six, false), there)
	problems = append(problems, o.examine(&r, "reply: ", promises(r.Method, six, true), back)...)
	if r.Packets == 0 {
		problems = append(problems, "no packet was seen on both sides")
	}
	r.Verdict = verdictOf(append(problems, o.unverified(there)))
	return r
}

// compared returns the pairs of packets that promises are about.
func (o *Observation) compared() []pair {
	if o.service.Method == Proxy {
		return o.opened
	}
	return o.moves
}

// examine checks every pair by the promises.
func (o *Observation) examine(r *result.Rewrite, prefix string, promises []promise, pairs []pair) (problems []string) {
	if len(pairs) == 0 || len(promises) == 0 {
		return nil
	}
	r.Packets += uint64(len(pairs))
	for _, p := range promises {
		example, broken := pairs[0], 0
		for _, m := range pairs {
			if p.holds(o, m) {
				continue
			}
			if broken++; broken == 1 {
				example = m
			}
		}
		r.Fields = append(r.Fields, result.Field{
			Name: prefix + p.name, Promise: p.says, Kept: broken == 0,
			Before: p.value(example.before), After: p.value(example.after),
		})
		if broken > 0 {
			problems = append(problems, fmt.Sprintf("%s%s not %s in %d of %d packets", prefix, p.name, p.says, broken, len(pairs)))
		}
	}
	return problems
}

// unverified returns a remark if no checksum could be computed.
func (o *Observation) unverified(pairs []pair) string {
	for _, m := range pairs {
		if m.after.sums != unknown {
			return ""
		}
	}
	return some(uint64(len(pairs)), "checksums could not be verified: the links are not Plain")
}
