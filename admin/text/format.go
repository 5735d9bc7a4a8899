package text

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Ago says how long before now t was, in the two largest units: "3d4h", "12m5s".
// It is "never" for the zero time, and "0s" for one in the future, by another
// clock.
func Ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Span(max(0, now.Sub(t)))
}

// Span writes a duration of seconds or more in its two largest units.
func Span(d time.Duration) string {
	s := int(d / time.Second)
	switch {
	case s >= 86400:
		return units(s/86400, "d", s%86400/3600, "h")
	case s >= 3600:
		return units(s/3600, "h", s%3600/60, "m")
	case s >= 60:
		return units(s/60, "m", s%60, "s")
	}
	return fmt.Sprintf("%ds", s)
}

func units(a int, unit string, b int, smaller string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, unit)
	}
	return fmt.Sprintf("%d%s%d%s", a, unit, b, smaller)
}

// Times writes how often something happened.
func Times(n uint64) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Took writes how long a check took, with three digits at most.
func Took(d time.Duration) string {
	switch {
	case d >= 100*time.Millisecond:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// Size writes a number of bytes: "512 B", "1.4 MiB".
func Size(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for ; f >= 1023.95 && unit < len(sizes)-1; unit++ {
		f /= 1024
	}
	return fmt.Sprintf("%.1f %s", f, sizes[unit])
}

var sizes = []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// Clock writes a moment for people, in their own time zone.
func Clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

// one is 1 for true and 0 for false.
func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Printable replaces what a terminal would act on. Parts of a status come from
// real servers, and must not move the cursor.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
