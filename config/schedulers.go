package config

import (
	"fmt"
	"slices"
	"strings"
)

// schedulers are the kernel's.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "fo", "ovf", "mh"}

// schedFlags are the names that ipvsadm has for them.
var schedFlags = []string{"sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3"}

// readScheduler reads the name of a scheduler. Where ldirectord would make
// another one of it (Wlc becomes lc), it is refused.
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
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no scheduler", w), choice(w, schedulers))
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
			return nil, f.fail(f.valAt, fmt.Sprintf("`%s` is no scheduler flag", name), choice(name, schedFlags))
		}
		if !slices.Contains(flags, name) {
			flags = append(flags, name)
		}
	}
	return flags, true
}

func writeList(list []string) string { return strings.Join(list, ",") }
