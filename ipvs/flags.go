package ipvs

import (
	"slices"
	"strings"
)

// noScheduler is the kernel's name for a service that schedules nothing and
// refuses every new connection.
const noScheduler = "none"

// The kernel's flags of a service, from linux/ip_vs.h.
const (
	flagPersistent = 0x01
	flagHashed     = 0x02 // the kernel's own mark, set on every service that is read
	flagOnePacket  = 0x04
	flagSched1     = 0x08
	flagSched2     = 0x10
	flagSched3     = 0x20
)

// schedulers are those of the kernel, each a module named ip_vs_NAME.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "fo", "ovf", "mh"}

// A schedFlag is a name that ipvsadm has for one of the kernel's flags.
type schedFlag struct {
	name string
	bit  uint32
}

var schedFlags = []schedFlag{
	{"sh-fallback", flagSched1},
	{"sh-port", flagSched2},
	{"mh-fallback", flagSched1},
	{"mh-port", flagSched2},
	{"flag-1", flagSched1},
	{"flag-2", flagSched2},
	{"flag-3", flagSched3},
}

// suits reports whether the flag has a meaning for a scheduler.
func (f schedFlag) suits(scheduler string) bool {
	own, _, _ := strings.Cut(f.name, "-")
	return own == "flag" || own == scheduler
}

// flagNamed returns the flag of that name for the scheduler.
func flagNamed(scheduler, name string) (schedFlag, bool) {
	i := slices.IndexFunc(schedFlags, func(f schedFlag) bool { return f.name == name && f.suits(scheduler) })
	if i < 0 {
		return schedFlag{}, false
	}
	return schedFlags[i], true
}

// flagBits returns the bits that names stand for. sh and mh fall back always:
// without that they refuse the clients of a real server that is quiescent
// while others live.
func flagBits(scheduler string, names []string) uint32 {
	var bits uint32
	if scheduler == "sh" || scheduler == "mh" {
		bits |= flagSched1
	}
	for _, name := range names {
		if f, ok := flagNamed(scheduler, name); ok {
			bits |= f.bit
		}
	}
	return bits
}

// flagNames returns the names of bits, those of the scheduler where it has
// its own.
func flagNames(scheduler string, bits uint32) []string {
	var names []string
	for _, f := range schedFlags {
		if bits&f.bit != 0 && f.suits(scheduler) {
			names = append(names, f.name)
			bits &^= f.bit
		}
	}
	return names
}
