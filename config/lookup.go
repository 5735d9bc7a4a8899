package config

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
	// lookupBudget bounds the look-ups of all names of a file together,
	// againBudget those of what is missing: enough for a resolver that gives up
	// on its first name server before it asks the second.
	lookupBudget = 4 * time.Second
	againBudget  = 12 * time.Second
	// lookupsAtOnce is how many of them are under way.
	lookupsAtOnce = 64
	// maxNames is how many there may be in a file.
	maxNames = 1 << 16
)

// A Resolver finds the addresses of a host. *net.Resolver is one. The network
// is "ip4" or "ip6". It is asked for many hosts at once.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A question is a name whose address in one family is wanted.
type question struct{ network, host string }

// A lookup is what became of a question. With an error the address, if there
// is one, is what was found before.
type lookup struct {
	addr   netip.Addr
	err    error
	listed bool // it stood in the hosts file
	tries  int  // in vain, since it was answered last
}

// A seeker answers the questions of one file.
type seeker struct {
	res    Resolver
	hosts  *hostsFile // nil: the resolver alone is asked
	before map[question]lookup
	again  bool // what is known from before is not asked for
}

// seek answers all questions, side by side, until ctx is done. Those that were
// asked least often come first, so that names nobody answers for do not keep
// others from being asked for, however many they are.
func (s *seeker) seek(ctx context.Context, asked map[question]bool, known map[question]lookup) {
	queue := slices.SortedFunc(maps.Keys(asked), func(a, b question) int {
		return cmp.Compare(s.before[a].tries, s.before[b].tries)
	})
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := func() (q question, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if ok = len(queue) > 0; ok {
			q, queue = queue[0], queue[1:]
		}
		return q, ok
	}
	for range min(lookupsAtOnce, len(queue)) {
		wg.Go(func() {
			for q, ok := next(); ok; q, ok = next() {
				found := s.answer(ctx, q)
				mu.Lock()
				known[q] = found
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// budget is for how long all names of a file are looked up.
func (s *seeker) budget() time.Duration {
	if s.again {
		return againBudget
	}
	return lookupBudget
}

// answer finds the address of a name, or says what it was before.
func (s *seeker) answer(ctx context.Context, q question) lookup {
	old, remembered := s.before[q]
	if s.again && remembered && old.err == nil {
		return old
	}
	if a, ok := s.hosts.find(q); ok {
		return lookup{addr: a, listed: true}
	}
	a, err := s.ask(ctx, q)
	if err == nil && old.listed && old.addr == a && s.hosts.young() {
		err = errLeft // the resolver may still have it from there
	}
	if err != nil {
		tries := old.tries
		if !errors.Is(err, errNotAsked) {
			tries++
		}
		return lookup{addr: old.addr, err: err, listed: old.listed, tries: tries}
	}
	return lookup{addr: a}
}

var errLeft = errors.New("it is no longer in " + hostsPath)

func (s *seeker) ask(ctx context.Context, q question) (netip.Addr, error) {
	if ctx.Err() != nil {
		return netip.Addr{}, errNotAsked
	}
	addrs, err := s.res.LookupNetIP(ctx, q.network, q.host)
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); a.Is4() == (q.network == "ip4") {
			return a, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("it has none of network %s", q.network)
	}
	return netip.Addr{}, inTime(err)
}

// inTime says of an error that no answer came, if that is what it is, without
// how that was noticed.
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
