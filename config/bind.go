package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A target is what a line configures: the globals, or one section.
type target struct {
	g   *Global
	s   *Settings
	v   *Virtual // nil outside of sections
	o   Origins
	six bool // the section is an IPv6 one
}

// A value connects a directive with the variable that holds its value.
type value struct {
	kind string
	// set reads the value of a line into its variable, or reports an error and
	// returns false.
	set func(f *field, t target) bool
	// get returns the values in force as a file would write them, one for
	// each line, none where there is nothing to write.
	get func(t target) []string
	// mask returns what may be shown of a value that is secret, nil: nothing.
	mask func(value string) string
}

// bind makes values of one kind. The function that it returns takes the place of
// the variable.
func bind[T any](kind string, read func(*field) (T, bool), write func(T) string) func(at func(target) *T) value {
	return func(at func(target) *T) value {
		return value{
			kind: kind,
			set: func(f *field, t target) bool {
				v, ok := read(f)
				if ok {
					*at(t) = v
				}
				return ok
			},
			get: func(t target) []string { return line(write(*at(t))) },
		}
	}
}

func line(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

var (
	seconds  = bind("seconds, 1 or more", secondsFrom(1, maxSeconds), writeSeconds)
	period   = bind("seconds, 0 or more", secondsFrom(0, maxSeconds), writeSeconds)
	attempts = bind("number, 1 or more", numberFrom(1, maxCount), strconv.Itoa)
	count    = bind("number, 0 or more", numberFrom(0, maxCount), strconv.Itoa)
	status   = bind("number, 200 to 599 but 204, 205 and 304", readPageStatus, strconv.Itoa)
	yesNo    = bind("`yes` or `no`", (*field).yesNo, writeYesNo)
	text     = bind("text in double quotes", quoted, inQuotes)
	path     = bind("path, quotes optional", optionallyQuoted, inQuotes)
	rest     = bind("text to the end of the line", (*field).raw, asIs)
	states   = bind("`all`, `none`, or a list of `starting`, `running`, `stopping`, `reloading`", readAlertStates, AlertStates.String)
	people   = bind("addresses, separated by commas", readAddresses, writeAddresses)
	length   = bind("duration: `5`, `5s`, `250ms`, `1m`", durationFrom(minDuration), writeLength)
	wait     = bind("duration: `5`, `5s`, `250ms`, `1m`; 0 allowed", durationFrom(0), writeDuration)
	page     = bind("path of a file, or of a folder with an index.html", readSorryPage, inQuotes)
	bound    = bind("number, 1 or more", numberFrom(1, maxCount), writeCount)
	size     = bind("bytes, 1M or more: `268435456`, `256M`, `1G`", readSize, writeSize)
	bits4    = bind("number, 1 to 32", numberFrom(1, 32), writeCount)
	bits6    = bind("number, 1 to 128", numberFrom(1, 128), writeCount)
	// errorLimit is at most what the proxy counts.
	errorLimit = bind("number, 1 to 65535", numberFrom(1, 65535), writeCount)
	relay      = bind("host name or address", readRelay, asIs)
)

// minDuration keeps checks from running without a pause.
const minDuration = 10 * time.Millisecond

func secondsFrom(lo, hi int64) func(*field) (time.Duration, bool) {
	return func(f *field) (time.Duration, bool) {
		n, ok := f.number(lo, hi)
		return time.Duration(n) * time.Second, ok
	}
}

func numberFrom(lo, hi int64) func(*field) (int, bool) {
	return func(f *field) (int, bool) {
		n, ok := f.number(lo, hi)
		return int(n), ok
	}
}

// readPageStatus refuses statuses for which RFC 9110 allows no content.
func readPageStatus(f *field) (int, bool) {
	n, ok := f.number(200, 599)
	if n == 204 || n == 205 || n == 304 {
		ok = f.fail(f.valAt, fmt.Sprintf("HTTP sends no page with status %d", n), "200 and 503 are usual")
	}
	return int(n), ok
}

func durationFrom(lo time.Duration) func(*field) (time.Duration, bool) {
	return func(f *field) (time.Duration, bool) { return f.duration(lo) }
}

// day is the unit of long durations.
const day = 24 * time.Hour

// daysFrom reads a duration that may be written in days. hint is for one that is too
// short.
func daysFrom(lo time.Duration, hint string) func(*field) (time.Duration, bool) {
	return func(f *field) (time.Duration, bool) {
		f.comment(false)
		digits, ok := strings.CutSuffix(f.val, "d")
		if !ok || digits == "" || digitsLen(digits) != len(digits) {
			return f.duration(lo)
		}
		n, err := strconv.Atoi(digits)
		switch {
		case err != nil || n > maxSeconds/(24*3600):
			return 0, f.fail(f.valAt, fmt.Sprintf("%s is too much for `%s`", f.val, f.key), "the most is a year")
		case time.Duration(n)*day < lo:
			return 0, f.fail(f.valAt, fmt.Sprintf("%s is too little for `%s`", f.val, f.key), hint)
		}
		return time.Duration(n) * day, true
	}
}

func writeDays(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return writeDuration(d)
}

// stateMaxAge is how long orders outlive shunt.
var stateMaxAge = bind("duration: `7d`, `36h`; 0 for ever", daysFrom(0, ""), writeDays)(
	func(t target) *time.Duration { return &t.g.StateMaxAge })

func quoted(f *field) (string, bool) { return f.quoted(false) }

func optionallyQuoted(f *field) (string, bool) { return f.quoted(true) }

func writeSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func writeDuration(d time.Duration) string {
	if d%time.Second == 0 {
		return writeSeconds(d)
	}
	return d.String()
}

// writeLength leaves 0 out, which means that none was chosen.
func writeLength(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return writeDuration(d)
}

func writeYesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func inQuotes(s string) string {
	if s == "" {
		return ""
	}
	return `"` + s + `"`
}

func asIs(s string) string { return s }

// dataplaneName is one of Options.Dataplanes.
var dataplaneName = bind("the name of a dataplane", func(f *field) (string, bool) {
	if f.dataplanes == nil {
		return f.word("-")
	}
	return f.oneOf(f.dataplanes, "-")
}, asIs)

// word makes values that are one of a few words; "" is unset.
func word(known ...string) func(at func(target) *string) value {
	return bind("`"+strings.Join(known, "`, `")+"`",
		func(f *field) (string, bool) { return f.oneOf(known, "-") }, asIs)
}

// units are those of sizes, as powers of 1024.
var units = []struct {
	letter string
	bytes  int64
}{{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}}

const minSize = 1 << 20

// readSize reads a number of bytes.
func readSize(f *field) (int64, bool) {
	f.comment(false)
	digits, unit := strings.ToUpper(f.val), int64(1)
	for _, u := range units {
		if cut, ok := strings.CutSuffix(digits, u.letter); ok {
			digits, unit = strings.TrimSpace(cut), u.bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || digitsLen(digits) != len(digits):
		return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no number of bytes", f.val), "write 268435456, 262144K, 256M or 1G")
	case n > math.MaxInt64/unit:
		return 0, f.fail(f.valAt, fmt.Sprintf("%s is too much for `%s`", f.val, f.key), "")
	case n*unit < minSize:
		return 0, f.fail(f.valAt, fmt.Sprintf("%s is too little for `%s`", f.val, f.key), "the least is 1M")
	}
	return n * unit, true
}

// writeSize leaves 0 out, which means that none was chosen.
func writeSize(n int64) string {
	if n == 0 {
		return ""
	}
	for _, u := range units {
		if n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.letter
		}
	}
	return strconv.FormatInt(n, 10)
}

// writeCount leaves 0 out as well.
func writeCount(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
