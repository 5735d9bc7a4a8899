// Package lookup finds the addresses of the host names of a file: all of them
// concurrently and within one limit of time, in the hosts file before name
// servers. Where no answer comes it returns the earlier address.
package lookup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// Budget bounds the time of looking up all names of a file, againBudget that
	// of looking up those that are missing. It is enough for a resolver that
	// gives up on its first name server before it asks the second.
	Budget      = 4 * time.Second
	againBudget = 12 * time.Second
	// AtOnce is how many of them are under way.
	AtOnce = 64
	// MaxNames is how many there may be in a file.
	MaxNames = 1 << 16
)

// A Resolver finds the addresses of a host. *net.Resolver is one. The network
// is "ip4" or "ip6". It is asked for many hosts at once.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A Question is a name whose address in one family is wanted.
type Question struct{ Network, Host string }

// A Result is the answer to a Question. With an error the address, if it is
// valid, is the one found earlier.
type Result struct {
	Addr   netip.Addr
	Err    error
	listed bool // it stood in the hosts file
	tries  int  // failures since the last answer
}

// A Lookup answers the questions of one file.
type Lookup struct {
	Resolver Resolver
	Hosts    *Hosts // nil: the resolver alone is asked
	Before   map[Question]Result
	Again    bool // names with an answer in Before are not asked for
}

// Run answers the questions asked, concurrently, until ctx is done, and writes
// the results into known. Those with the fewest failures come first, so that
// names without an answer do not delay others, however many they are.
func (l *Lookup) Run(ctx context.Context, asked map[Question]bool, known map[Question]Result) {
	queue := slices.SortedFunc(maps.Keys(asked), func(a, b Question) int {
		return cmp.Compare(l.Before[a].tries, l.Before[b].tries)
	})
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := func() (q Question, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if ok = len(queue) > 0; ok {
			q, queue = queue[0], queue[1:]
		}
		return q, ok
	}
	for range min(AtOnce, len(queue)) {
		wg.Go(func() {
			for q, ok := next(); ok; q, ok = next() {
				found := l.answer(ctx, q)
				mu.Lock()
				known[q] = found
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// Budget returns the time limit for all names of a file.
func (l *Lookup) Budget() time.Duration {
	if l.Again {
		return againBudget
	}
	return Budget
}

// answer finds the address of a name, or returns the earlier one with an error.
func (l *Lookup) answer(ctx context.Context, q Question) Result {
	old, remembered := l.Before[q]
	if l.Again && remembered && old.Err == nil {
		return old
	}
	if a, ok := l.Hosts.find(q); ok {
		return Result{Addr: a, listed: true}
	}
	a, err := l.ask(ctx, q)
	if err == nil && old.listed && old.Addr == a && l.Hosts.young() {
		err = errLeft // the resolver may still have it from there
	}
	if err != nil {
		tries := old.tries
		if !errors.Is(err, errNotAsked) {
			tries++
		}
		return Result{Addr: old.Addr, Err: err, listed: old.listed, tries: tries}
	}
	return Result{Addr: a}
}

var errLeft = errors.New("it is no longer in " + hostsPath)

func (l *Lookup) ask(ctx context.Context, q Question) (netip.Addr, error) {
	if ctx.Err() != nil {
		return netip.Addr{}, errNotAsked
	}
	addrs, err := l.Resolver.LookupNetIP(ctx, q.Network, q.Host)
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); a.Is4() == (q.Network == "ip4") {
			return a, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("it has none of network %s", q.Network)
	}
	return netip.Addr{}, inTime(err)
}

// inTime replaces a timeout by errNoAnswer, and reduces the error of a resolver to
// its cause.
func inTime(err error) error {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.Canceled) {
		return errNoAnswer
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New(e.Err)
	}
	return err
}

var (
	errNoAnswer = errors.New("no name server has answered in time")
	errNotAsked = errors.New("there was no time to ask for it")
)
