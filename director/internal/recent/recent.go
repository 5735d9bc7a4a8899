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

// A Results keeps the latest results of a real server. It costs 400 bytes, and
// as much again for one that fails for ever other reasons; a good result costs
// nothing more.
type Results struct {
	all  [Max]result
	n    int // of them; the next one is at n % Max
	word [maxWords]string
	last int // word written last
}

// A result is one check that was made.
type result struct {
	at   int64  // when it ended, in nanoseconds since 1970
	took uint32 // in microseconds
	word uint8  // 1 more than that of its reason, 0 for none
	kind checks.Kind
}

// Add keeps the result of a check that ended at a time in place of the oldest one.
func (r *Results) Add(at time.Time, took time.Duration, err error) {
	r.all[r.n%Max] = result{
		at: at.UnixNano(), took: uint32(min(max(took/time.Microsecond, 0), 1<<32-1)), word: r.keep(err), kind: checks.KindOf(err),
	}
	if r.n++; r.n == 2*Max {
		r.n = Max
	}
}

// keep keeps the words of an error, and returns where they are. Results whose
// words have to go keep their kind.
func (r *Results) keep(err error) uint8 {
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

// A Result is one of the latest checks.
type Result struct {
	At   time.Time // when it ended
	Took time.Duration
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
		one := Result{At: time.Unix(0, c.at), Took: time.Duration(c.took) * time.Microsecond, Kind: c.kind}
		if c.word > 0 {
			one.Words = r.word[c.word-1]
		}
		all = append(all, one)
	}
	return all
}
