package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

const (
	// maxRate is the largest count of a rate.
	maxRate = 1_000_000
	maxPer  = 24 * time.Hour
)

// readRate reads `100`, `100/10s` or `100/m`; a number alone is per second.
func readRate(f *field) (r dataplane.Rate, ok bool) {
	f.comment(false)
	count, per, timed := strings.Cut(f.val, "/")
	count = strings.TrimSpace(count)
	n, err := strconv.Atoi(count)
	if err != nil || digitsLen(count) != len(count) {
		return r, f.fail(f.valAt, fmt.Sprintf("`%s` is no rate", f.val), "write a number, or NUMBER/DURATION: 100/1s, 10/m")
	}
	if n > maxRate {
		return r, f.fail(f.valAt, fmt.Sprintf("%d is too much for `%s`", n, f.key), fmt.Sprintf("the most is %d", maxRate))
	}
	r = dataplane.Rate{Count: n, Per: time.Second}
	if timed {
		r.Per, ok = readPer(f, strings.TrimSpace(per))
		if !ok {
			return r, false
		}
	}
	if n == 0 {
		r = dataplane.Rate{}
	}
	return r, true
}

// readPer reads the time of a rate, in which a unit alone stands for one of it.
func readPer(f *field, text string) (time.Duration, bool) {
	g := *f
	g.valAt += len(g.val) - len(text)
	switch g.val = text; text {
	case "ms", "s", "m", "h":
		g.val = "1" + text
	case "":
		return 0, g.fail(g.valAt, "nothing stands behind the /", "write a number, or NUMBER/DURATION: 100/1s, 10/m")
	}
	d, ok := g.duration(minDuration)
	if ok && d > maxPer {
		return 0, g.fail(g.valAt, fmt.Sprintf("%s is too much for `%s`", g.val, g.key), "the most is 24h")
	}
	return d, ok
}

func writeRate(r dataplane.Rate) string {
	per := writeDuration(r.Per)
	if digitsLen(per) == len(per) {
		per += "s"
	}
	return fmt.Sprintf("%d/%s", r.Count, per)
}

// limit makes values whose zero value is no limit. A section writes it to undo a
// global limit.
func limit[T comparable](kind string, read func(*field) (T, bool), write func(T) string) func(at func(*Settings) *T) value {
	return func(at func(*Settings) *T) value {
		v := bind(kind, read, write)(func(t target) *T { return at(t.s) })
		get := v.get
		v.get = func(t target) []string {
			var none T
			if have := *at(t.s); have != none {
				return get(t)
			}
			if *at(&t.g.Settings) != none {
				return []string{"0"}
			}
			return nil
		}
		return v
	}
}

var (
	sourceConns = limit("number; 0 is no limit", numberFrom(0, maxCount), strconv.Itoa)
	sourceRate  = limit("`100`, `100/10s`, `100/m`; 0 is no limit", readRate, writeRate)
)

// sources warns of settings about sources without effect.
func (r *review) sources() {
	if r.v.OnePacket && r.v.SourceConns > 0 {
		if r.v.Origins["sourceconnections"].set() {
			s := r.sec.line("sourceconnections")
			r.warn(s, s.keyAt, "`sourceconnections` has no effect with ops=yes: there, every datagram stands for itself", "limit them with sourcerate")
		}
		r.v.SourceConns = 0
	}
	if r.v.SourceConns > 0 || r.v.SourceRate.Count > 0 {
		return
	}
	for _, name := range []string{"sourceprefix", "sourceprefix6"} {
		if r.v.Origins[name].set() {
			s := r.sec.line(name)
			r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect without a limit", name), "add sourceconnections or sourcerate")
		}
	}
}

// proxyVersions are the words of proxyprotocol, each at its version.
var proxyVersions = []string{"no", "v1", "v2"}

var proxyProtocol = bind("`no`, `v1` or `v2`", func(f *field) (int, bool) {
	w, ok := f.oneOf(proxyVersions, "")
	for version, known := range proxyVersions {
		if w == known {
			return version, ok
		}
	}
	return 0, false
}, func(version int) string { return proxyVersions[version] })(func(t target) *int { return &t.s.ProxyProtocol })
