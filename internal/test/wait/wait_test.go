package wait

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A failing is a test that keeps the words it failed with.
type failing struct {
	testing.TB
	words string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.words = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// words returns what run fails with.
func words(run func(t testing.TB)) string {
	f, done := &failing{}, make(chan struct{})
	go func() {
		defer close(done)
		run(f)
	}()
	<-done
	return f.words
}

// For returns the value with which look is content, and nothing later.
func TestForReturnsTheFirstGoodValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		if got := For(t, "three calls", func() (int, bool) { n++; return n, n >= 3 }); got != 3 || n != 3 {
			t.Errorf("got %d after %d calls, want 3", got, n)
		}
	})
}

// A test fails after Patience, and says what it saw last.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		got := words(func(t testing.TB) {
			For(t, "rs1 is up", func() (string, bool) { return "down since " + time.Since(began).Truncate(time.Minute).String(), false })
		})
		if want := "rs1 is up: not within 2m0s; the last look shows down since 2m0s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if took := time.Since(began); took > Patience+time.Second {
			t.Errorf("it took %v", took)
		}
		if got := words(func(t testing.TB) { Until(t, "rs1 is up", func() bool { return false }) }); !strings.HasPrefix(got, "rs1 is up: not within") {
			t.Errorf("got %q", got)
		}
	})
}

// A condition that holds only after a call which takes longer than Patience counts.
func TestSlowLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		Until(t, "two slow calls", func() bool {
			time.Sleep(Patience)
			return time.Since(began) > Patience
		})
	})
}
