// Package wait has tests wait for what happens elsewhere: in the kernel, in another
// goroutine or in another program.
package wait

import (
	"testing"
	"time"
)

// Patience is how long a test waits at most, on a machine that is busy with others.
const Patience = 2 * time.Minute

// For calls look until it reports true, and returns what look returned with that.
// After Patience it ends the test with the value of the last call.
func For[T any](t testing.TB, what string, look func() (T, bool)) T {
	t.Helper()
	seen, ok := poll(look)
	if !ok {
		t.Fatalf("%s: not within %v; the last look shows %+v", what, Patience, seen)
	}
	return seen
}

// Until waits until cond reports true. After Patience it ends the test.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if _, ok := poll(func() (struct{}, bool) { return struct{}{}, cond() }); !ok {
		t.Fatalf("%s: not within %v", what, Patience)
	}
}

// poll calls look after pauses that grow from 1 to 20 ms. The last call comes when
// Patience is over, however long the one before it took.
func poll[T any](look func() (T, bool)) (seen T, ok bool) {
	end := time.Now().Add(Patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		last := !time.Now().Before(end)
		if seen, ok = look(); ok || last {
			return seen, ok
		}
		time.Sleep(pause)
	}
}
