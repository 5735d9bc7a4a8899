package director

import (
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

const (
	// maxRecent is how many results of a real server are kept.
	maxRecent = 10
	// maxWords is how many different reasons are kept in words, and maxReason
	// how many bytes of one.
	maxWords  = 3
	maxReason = 120
)

// noCheck is the number of a check that is no longer made.
const noCheck = 1<<8 - 1

// A recent keeps the latest results of a real server. It costs 400 bytes, and
// as much again for one that fails for ever other reasons; a good result costs
// nothing more.
type recent struct {
	all  [maxRecent]result
	n    int // of them; the next one is at n % maxRecent
	word [maxWords]string
	last int // word written last
}

// A result is one check that was made.
type result struct {
	at   int64  // when it ended, in nanoseconds since 1970
	took uint32 // in microseconds
	word uint8  // 1 more than that of its reason, 0 for none
	of   uint8  // which check of the server, or noCheck
	kind checks.Kind
}

// add keeps a result in place of the oldest one.
func (r *recent) add(c checkResult, of int) {
	r.all[r.n%maxRecent] = result{
		at: c.at.UnixNano(), took: uint32(min(max(c.duration/time.Microsecond, 0), 1<<32-1)), word: r.keep(c.err), of: uint8(of), kind: checks.KindOf(c.err),
	}
	if r.n++; r.n == 2*maxRecent {
		r.n = maxRecent
	}
}

// keep keeps the words of an error, and returns where they are. Results whose
// words have to go keep their kind.
func (r *recent) keep(err error) uint8 {
	if err == nil {
		return 0
	}
	text := err.Error()
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason-3], "") + "..."
	}
	if i := slices.Index(r.word[:], text); i >= 0 {
		return uint8(i + 1)
	}
	r.last = (r.last + 1) % maxWords
	for i := range r.all {
		if int(r.all[i].word) == r.last+1 {
			r.all[i].word = 0
		}
	}
	r.word[r.last] = strings.Clone(text)
	return uint8(r.last + 1)
}

// move renumbers the checks of the results by place, which returns less than 0 for
// those that are no longer made.
func (r *recent) move(place func(of int) int) {
	for i := range min(r.n, maxRecent) {
		c := &r.all[i]
		if c.of == noCheck {
			continue
		}
		at := place(int(c.of))
		if at < 0 {
			at = noCheck
		}
		c.of = uint8(at)
	}
}

// results returns what is kept, oldest first. names are those of the checks, none
// where there is one alone.
func (r *recent) results(names []string) []CheckResult {
	all := make([]CheckResult, 0, min(r.n, maxRecent))
	for i := max(0, r.n-maxRecent); i < r.n; i++ {
		c := r.all[i%maxRecent]
		shown := CheckResult{Time: time.Unix(0, c.at), Duration: Seconds(time.Duration(c.took) * time.Microsecond), OK: c.kind == "", Reason: c.kind}
		if c.word > 0 {
			shown.Result = r.word[c.word-1]
		}
		if int(c.of) < len(names) {
			shown.Check = names[c.of]
		}
		all = append(all, shown)
	}
	return all
}

// A CheckResult is one of the latest checks of a real server.
type CheckResult struct {
	Time     time.Time `json:"time"` // when it ended
	Duration Seconds   `json:"seconds"`
	// Check is which of several checks of the real server it was, empty where there
	// is one alone.
	Check string `json:"check,omitempty"`
	OK    bool   `json:"ok"`
	// Reason is why it failed, in one of the words of [checks.Kind].
	Reason checks.Kind `json:"reason,omitempty"`
	// Result is the error in words, of which only the latest few different ones
	// are kept.
	Result string `json:"result,omitempty"`
}

// A ServerHistory is what the latest checks of a real server have found.
type ServerHistory struct {
	Service string        `json:"service"`
	Name    string        `json:"name,omitempty"` // servicename
	Server  string        `json:"server"`
	State   State         `json:"state"`
	Since   time.Time     `json:"since"`
	Cause   string        `json:"cause"`
	Checks  []CheckResult `json:"checks"` // oldest first
}

// durationBounds are the upper bounds of a histogram of checks, in order. What
// takes longer than the last is counted as well.
var durationBounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// A durations is a histogram of how long checks took.
type durations struct {
	counts [len(durationBounds) + 1]uint64
	sum    time.Duration
}

func (d *durations) add(took time.Duration) {
	i := 0
	for i < len(durationBounds) && took > durationBounds[i] {
		i++
	}
	d.counts[i]++
	d.sum += took
}

// A Histogram is how long the checks of a service took.
type Histogram struct {
	// Buckets are how many checks took so long at most, by seconds.
	Buckets map[float64]uint64
	Count   uint64
	Sum     time.Duration
}

func (d *durations) histogram() Histogram {
	h := Histogram{Buckets: make(map[float64]uint64, len(durationBounds)), Sum: d.sum}
	for i, n := range d.counts {
		h.Count += n
		if i < len(durationBounds) {
			h.Buckets[durationBounds[i].Seconds()] = h.Count
		}
	}
	return h
}
