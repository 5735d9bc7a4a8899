package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config/internal/problem"
	"github.com/shunt-lb/shunt/config/internal/suggest"
	"github.com/shunt-lb/shunt/dataplane"
)

// schedulers are the kernel's.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "fo", "ovf", "mh"}

// schedFlags are the names of their flags in ipvsadm.
var schedFlags = []string{"sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3"}

// readScheduler reads the name of a scheduler. A name that ldirectord would read
// as another one (Wlc becomes lc) is refused.
func readScheduler(f *field) (string, bool) {
	f.straighten()
	f.cut(never)
	f.singles()
	w := firstWord(f.val)
	if bare := strings.TrimFunc(w, punctuation); slices.Contains(schedulers, bare) {
		w = bare // ldirectord takes the letters, too
	}
	name, flag, flagged := strings.Cut(w, "-")
	if !slices.Contains(schedulers, name) {
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no scheduler", w), suggest.Choice(w, schedulers))
	}
	switch {
	case flagged:
		f.warn(f.valAt, fmt.Sprintf("`%s` is read as %s", w, name), fmt.Sprintf("flags are written schedflags=%s-%s", name, flag))
	case f.val != name:
		f.warn(f.valAt, fmt.Sprintf("`%s` is read as %s", f.val, name), "write scheduler="+name)
	}
	return name, true
}

func punctuation(r rune) bool { return r >= 0x80 || !isAlnum(byte(r)) }

func readSchedFlags(f *field) ([]string, bool) {
	f.straighten()
	f.cut(never)
	w := firstWord(f.val)
	if plain := strings.Trim(w, `"'`); plain != f.val {
		f.warn(f.valAt, fmt.Sprintf("`%s` is read as %s", f.val, plain), "write schedflags="+plain)
		w = plain
	}
	var flags []string
	for name := range strings.SplitSeq(w, ",") {
		if !slices.Contains(schedFlags, name) {
			return nil, f.fail(f.valAt, fmt.Sprintf("`%s` is no scheduler flag", name), suggest.Choice(name, schedFlags))
		}
		if !slices.Contains(flags, name) {
			flags = append(flags, name)
		}
	}
	return flags, true
}

func writeList(list []string) string { return strings.Join(list, ",") }

// readNetmask reads the mask by which persistence groups clients.
func readNetmask(f *field, six bool) (bits int, ok bool) {
	f.straighten()
	f.cut(never)
	if f.tail {
		f.lenient(f.valAt+len(f.val), "blanks behind the netmask", "remove them")
	}
	f.dequote()
	if six {
		n, err := strconv.Atoi(f.val)
		if err != nil || n < 1 || n > 128 || digitsLen(f.val) != len(f.val) {
			return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no netmask of an IPv6 service", f.val), "write a prefix length, 1 to 128")
		}
		return n, true
	}
	a, err := netip.ParseAddr(f.val)
	if err != nil || !a.Is4() {
		return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no netmask of an IPv4 service", f.val), "write it like 255.255.255.0")
	}
	for bits = 32; bits >= 0; bits-- {
		if mask4(bits) == a {
			return bits, true
		}
	}
	return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no netmask: its ones are not all in front", f.val), "write it like 255.255.255.0")
}

func mask4(bits int) netip.Addr {
	m := ^uint32(0) << (32 - bits)
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}

var netmask = value{
	kind: "netmask; prefix length for IPv6",
	set: func(f *field, t target) (ok bool) {
		t.v.PersistentBits, ok = readNetmask(f, t.six)
		return ok
	},
	get: func(t target) []string {
		switch bits := t.v.PersistentBits; {
		case bits == fullBits(t.six):
			return nil
		case t.six:
			return []string{strconv.Itoa(bits)}
		default:
			return []string{mask4(bits).String()}
		}
	},
}

func fullBits(six bool) int {
	if six {
		return 128
	}
	return 32
}

// byShare are the schedulers for which twice the weight is twice the traffic.
var byShare = []string{"wrr", "wlc", "sed", "nq"}

// Ramp returns the time in which a real server that comes back reaches its full
// weight: slowstart, or 0 with a scheduler for which half of a weight is not half
// of the traffic.
func (v *Virtual) Ramp() time.Duration {
	if !slices.Contains(byShare, v.Scheduler) {
		return 0
	}
	return v.SlowStart
}

// slowStart warns of the section's own slowstart if it has no effect.
func (r *review) slowStart() {
	if s := r.sec.line("slowstart"); s != &r.sec.head && r.v.SlowStart > 0 && r.v.Ramp() == 0 {
		r.warn(s, s.keyAt, fmt.Sprintf("`slowstart` has no effect with scheduler %s", r.v.Scheduler), "it needs wrr, wlc, sed or nq, where weights are shares")
	}
}

// share makes values in percent.
var share = bind("percentage, 0% to 100%", func(f *field) (int, bool) {
	f.comment(false)
	digits := strings.TrimSpace(strings.TrimSuffix(f.val, "%"))
	n, err := strconv.Atoi(digits)
	if err != nil || digitsLen(digits) != len(digits) || n > 100 {
		return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no share", f.val), "write a whole number of percent, 0% to 100%")
	}
	return n, true
}, func(n int) string { return fmt.Sprintf("%d%%", n) })

// DownAtMost returns how many of n servers checks may take out at a time, by
// maxdown.
func (s *Settings) DownAtMost(n int) int { return n * s.MaxDown / 100 }

// judgement refuses a hysteresis that no weight can satisfy, and warns of limits
// that can never be reached.
func (r *review) judgement() {
	weight, takers := 0, 0
	for i := range r.v.Reals {
		weight += r.v.Reals[i].Weight
		takers += min(1, r.v.Reals[i].Weight)
	}
	if r.v.Hysteresis > r.v.Quorum {
		s := r.sec.eitherLine("hysteresis", "quorum")
		r.fail(s, s.keyAt, fmt.Sprintf("a hysteresis of %d is more than the quorum of %d", r.v.Hysteresis, r.v.Quorum), "the quorum would be kept by no weight at all: write a hysteresis of the quorum at most")
	} else if need := r.v.Quorum + r.v.Hysteresis; need > 1 && need > weight && len(r.v.Reals) > 0 {
		s := r.sec.eitherLine("quorum", "hysteresis")
		r.warn(s, s.keyAt, fmt.Sprintf("the real servers weigh %d together, the quorum is reached at %d", weight, need), "the fallback always answers, and quorumup never runs")
	}
	if takers > 0 && r.v.MaxDown > 0 && r.v.DownAtMost(takers) == 0 {
		s := r.sec.line("maxdown")
		r.warn(s, s.keyAt, fmt.Sprintf("%d%% of %s is less than one: no check takes a server out", r.v.MaxDown, problem.Plural(takers, "real server")), "write a larger share")
	}
	if (r.v.CheckType == CheckOn || r.v.CheckType == CheckOff) && r.sec.body.lastOf("initstate") != nil {
		s := r.sec.line("initstate")
		r.warn(s, s.keyAt, fmt.Sprintf("`initstate` has no effect with checktype=%s: there is no check", r.v.CheckType), "remove the line")
	}
}

// observation warns of lines of the section that hasten no check.
func (r *review) observation() {
	if s := r.sec.line("errorlimit"); s != &r.sec.head && r.v.Observe != ObserveConnect {
		r.warn(s, s.keyAt, "`errorlimit` has no effect without `observe`", "add observe=connect")
	}
	s := r.sec.line("observe")
	if s == &r.sec.head || r.v.Observe != ObserveConnect {
		return
	}
	switch {
	case r.v.ID.Protocol == dataplane.UDP:
		r.warn(s, s.keyAt, "`observe` has no effect on a udp service: it has no connections", "remove the line")
	case r.v.CheckType == CheckOn || r.v.CheckType == CheckOff:
		r.warn(s, s.keyAt, fmt.Sprintf("`observe` has no effect with checktype=%s: there is no check to hasten", r.v.CheckType), "remove the line")
	}
}

// checkPath warns of the section's own checkpath if it checks nothing.
func (r *review) checkPath() {
	s := r.sec.line("checkpath")
	if s == &r.sec.head || r.v.CheckPath != CheckPathVIP {
		return
	}
	direct := func(r Real) bool { return r.Forward != dataplane.Masq }
	switch {
	case r.v.ID.Protocol != dataplane.TCP:
		r.warn(s, s.keyAt, fmt.Sprintf("`checkpath` has no effect on a %s service: the VIP is checked by a tcp connection", r.v.ID.Protocol), "remove the line")
	case r.v.ID.Addr.Port() == 0:
		r.warn(s, s.keyAt, "`checkpath` has no effect on a service on port 0: there is no port to connect to", "remove the line")
	case !slices.ContainsFunc(r.v.Reals, direct):
		r.warn(s, s.keyAt, "`checkpath` has no effect: no server is reached by gate or ipip", "remove the line")
	case r.v.CheckType == CheckOn || r.v.CheckType == CheckOff:
		r.warn(s, s.keyAt, fmt.Sprintf("`checkpath` has no effect with checktype=%s: there is no check", r.v.CheckType), "remove the line")
	}
}

// eitherLine returns the section's own line of the first of names that has one,
// and else the virtual line.
func (sec *section) eitherLine(names ...string) *stmt {
	for _, name := range names {
		if s := sec.line(name); s != &sec.head {
			return s
		}
	}
	return &sec.head
}
