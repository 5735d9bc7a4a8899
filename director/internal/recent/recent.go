// Package recent keeps what the latest checks of real servers have found.
package recent

import (
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

const (
	// Max is how many results of a real server are kept.
	Max = 10
	// maxWords is how many different reasons are kept in words, and maxReason
	// how many bytes of one.
	maxWords  = 3
	maxReason = 120
)

// noCheck is the number of a check that is no longer made.
const noCheck = 1<<8 - 1

// A Results keeps the latest results of a real server. It costs 180 bytes, and 600
// more at most while one of them is a failure.
type Results struct {
	all  [Max]result
	n    int      // of them; the next one is at n % Max
	fail *reasons // nil: none of them is a failure
}

// A result is one check that was made.
type result struct {
	at     int64  // when it ended, in nanoseconds since 1970
	took   uint32 // in microseconds
	failed bool
	word   uint8 // 1 more than that of its reason, 0 for none
	of     uint8 // which check of the real server, or noCheck
}

// A reasons is why checks failed.
type reasons struct {
	kind [Max]checks.Kind
	word [maxWords]string
	last int // word written last
}

// Add keeps the result of a check that ended at a time in place of the oldest one.
// of is which of the real server's checks it was, less than 255.
func (r *Results) Add(at time.Time, took time.Duration, err error, of int) {
	i := r.n % Max
	r.all[i] = result{at: at.UnixNano(), took: uint32(min(max(took/time.Microsecond, 0), 1<<32-1)), failed: err != nil, of: uint8(of)}
	if err != nil {
		r.keep(i, err)
	} else if r.fail != nil && !slices.ContainsFunc(r.all[:], func(one result) bool { return one.failed }) {
		r.fail = nil
	}
	if r.n++; r.n == 2*Max {
		r.n = Max
	}
}

// keep keeps why a check failed. Results whose words have to go keep their kind.
func (r *Results) keep(i int, err error) {
	if r.fail == nil {
		r.fail = &reasons{}
	}
	r.fail.kind[i] = checks.KindOf(err)
	text := err.Error()
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason-3], "") + "..."
	}
	word := slices.Index(r.fail.word[:], text)
	if word < 0 {
		word = r.replace(text)
	}
	r.all[i].word = uint8(word + 1)
}

// replace keeps words in place of the oldest ones, and returns where.
func (r *Results) replace(text string) int {
	f := r.fail
	f.last = (f.last + 1) % maxWords
	for i := range r.all {
		if int(r.all[i].word) == f.last+1 {
			r.all[i].word = 0
		}
	}
	f.word[f.last] = strings.Clone(text)
	return f.last
}

// Move renumbers the checks that results are of, by place, which returns less than 0
// for one that is no longer made.
func (r *Results) Move(place func(of int) int) {
	for i := range min(r.n, Max) {
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

// A Result is one of the latest checks.
type Result struct {
	At   time.Time // when it ended
	Took time.Duration
	Of   int         // which of the real server's checks it was, -1: one no longer made
	Kind checks.Kind // why it failed, "" if it succeeded
	// Words is the error in words, of which only the latest few different ones are
	// kept.
	Words string
}

// All returns what is kept, oldest first.
func (r *Results) All() []Result {
	all := make([]Result, 0, min(r.n, Max))
	for i := max(0, r.n-Max); i < r.n; i++ {
		c := r.all[i%Max]
		one := Result{At: time.Unix(0, c.at), Took: time.Duration(c.took) * time.Microsecond, Of: int(c.of)}
		if c.of == noCheck {
			one.Of = -1
		}
		if c.failed {
			one.Kind = r.fail.kind[i%Max]
		}
		if c.word > 0 {
			one.Words = r.fail.word[c.word-1]
		}
		all = append(all, one)
	}
	return all
}
