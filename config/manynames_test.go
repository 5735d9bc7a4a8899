package config

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config/internal/lookup"
)

// A counting resolver answers for some names, and for others not before the
// question is given up.
type countingResolver struct {
	answers func(host string) bool

	mu            sync.Mutex
	now, most, in int
}

func (r *countingResolver) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	r.now++
	r.in++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}()
	if r.answers(host) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// manyNames is a file of n host names, each a real server.
func manyNames(n int) []byte {
	var b strings.Builder
	for i := range n {
		if i%100 == 0 {
			fmt.Fprintf(&b, "virtual=10.%d.%d.1:80\n", i/25600, i/100%256)
		}
		fmt.Fprintf(&b, "\treal=h%d.example.test:80 masq\n", i)
	}
	return []byte(b.String())
}

// However many host names a file has, the look-ups of all of them together take
// a few seconds, a few are under way at once, and what was not found is waited
// for.
func TestManyNamesTakeSeconds(t *testing.T) {
	for _, n := range []int{1, 1000, lookup.MaxNames} {
		synctest.Test(t, func(t *testing.T) {
			r := &countingResolver{answers: func(string) bool { return false }}
			began := time.Now()
			conf, err := Parse(t.Context(), "test.cf", manyNames(n), Options{Resolver: r})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > lookup.Budget {
				t.Errorf("%d names took %v, want at most %v", n, took, lookup.Budget)
			}
			if r.most > lookup.AtOnce {
				t.Errorf("%d look-ups at once, want at most %d", r.most, lookup.AtOnce)
			}
			if _, waiting := conf.Waiting.Counts(); waiting != n {
				t.Errorf("waiting for %d, want %d", waiting, n)
			}
		})
	}
}

// More than that are refused, and none of them is looked up for long.
func TestTooManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Parse(t.Context(), "test.cf", manyNames(lookup.MaxNames+5), Options{Resolver: &countingResolver{answers: func(string) bool { return false }}})
		if err == nil || !strings.Contains(err.Error(), "more than 65536 ") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took > lookup.Budget {
			t.Errorf("it took %v", took)
		}
	})
}

// Names that nobody answers for do not keep others from being found: those that
// were asked for least come first.
func TestUnansweredNamesDelayNoOthers(t *testing.T) {
	const n = 1000
	synctest.Test(t, func(t *testing.T) {
		r := &countingResolver{answers: func(host string) bool { return strings.HasSuffix(host, "7.example.test") }}
		var before *Config
		for range n/lookup.AtOnce + 1 {
			conf, err := Parse(t.Context(), "test.cf", manyNames(n), Options{Resolver: r, Before: before, Again: before != nil})
			if err != nil {
				t.Fatal(err)
			}
			before = conf
		}
		if _, waiting := before.Waiting.Counts(); waiting != n-n/10 {
			t.Errorf("waiting for %d, want %d", waiting, n-n/10)
		}
	})
}
