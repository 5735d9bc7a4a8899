package need_test

import (
	"cmp"
	"errors"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
)

// A recorder is a test that keeps what it was ended with first: it goes on.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Helper()      {}
func (r *recorder) Fatal(...any) { r.end = cmp.Or(r.end, "failed") }
func (r *recorder) Skip(...any)  { r.end = cmp.Or(r.end, "skipped") }

// TestNeeds: what is missing is a skip where somebody works on shunt, and a
// failure in CI.
func TestNeeds(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped", "false": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		for what, ask := range map[string]func(testing.TB){
			"error":   func(r testing.TB) { need.Lacking(r, errors.New("missing")) },
			"program": func(r testing.TB) { need.Program(r, "a program that nobody has") },
		} {
			r := &recorder{}
			if ask(r); r.end != want {
				t.Errorf("%s with CI=%q: %q, want %s", what, ci, r.end, want)
			}
		}
	}
	r := &recorder{}
	if path := need.Program(r, "sh"); path == "" || r.end != "" {
		t.Errorf("sh: %q, %s", path, r.end)
	}
}
