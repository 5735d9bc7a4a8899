// Package match decides about answers by the patterns of a configuration.
//
// The package imports nothing of the project but words of failures.
package match

import (
	"context"
	"io"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// A Matcher is a checks.Matcher, which has the contract.
type Matcher interface {
	Match(ctx context.Context, answer io.Reader) (bool, error)
	String() string
}

// A quick Matcher knows how long it takes for an answer that is there.
type quick interface {
	// MatchNow is Match for an answer in memory, if it takes no more than some
	// milliseconds: decided is false if it may. It allocates nothing for an
	// answer in ASCII.
	MatchNow(answer []byte) (matched, decided bool)
}

// Now matches what can be matched within milliseconds.
func Now(want Matcher, answer []byte) (matched, decided bool) {
	if q, ok := want.(quick); ok {
		return q.MatchNow(answer)
	}
	return false, false
}

// Interrupted is the failure of a check that spent its time on its pattern.
func Interrupted(err error) error {
	return &failure.Cause{Err: err, When: "while matching the answer with the pattern"}
}
