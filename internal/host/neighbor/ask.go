package neighbor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	rounds     = 2           // in which each address is asked for: a packet may be lost
	settle     = time.Second // for the last answers
	maxAnswers = 8           // machines for one address
)

// An asker asks on one link, for addresses of one family.
type asker interface {
	// ask sends a question.
	ask(netip.Addr) error
	// hear reads answers until it is closed, and hands on who has which address.
	hear(func(netip.Addr, MAC))
	close() error
}

// Ask asks on a link for addresses, twice for each with a pause after each
// question, and returns the machines that say that they have it, in order, without
// this host. It ends a second after the last question, or when ctx is done. With an
// error come the answers about those addresses that could be asked for.
func (ls *Links) Ask(ctx context.Context, l Link, addrs []netip.Addr, pause time.Duration) (map[netip.Addr][]MAC, error) {
	a := &asking{own: ls.macs, found: map[netip.Addr][]MAC{}}
	for _, addr := range addrs {
		a.found[addr] = nil
	}
	askers, err := open(l, addrs)
	for _, k := range askers {
		a.hearing.Go(func() { k.hear(a.add) })
	}
	err = errors.Join(err, a.ask(ctx, askers, addrs, pause))
	for _, k := range askers {
		err = errors.Join(err, k.close())
	}
	a.hearing.Wait()
	for addr, macs := range a.found {
		if len(macs) == 0 {
			delete(a.found, addr)
		}
		slices.SortFunc(macs, func(x, y MAC) int { return slices.Compare(x[:], y[:]) })
	}
	return a.found, err
}

// open returns the askers of the families of addrs, by whether it is IPv6.
func open(l Link, addrs []netip.Addr) (askers map[bool]asker, failed error) {
	askers = map[bool]asker{}
	tried := map[bool]bool{}
	for _, a := range addrs {
		if tried[a.Is6()] {
			continue
		}
		tried[a.Is6()] = true
		how := openARP
		if a.Is6() {
			how = openNDP
		}
		k, err := how(l)
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w (it needs CAP_NET_RAW)", err)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("ask on %s who has %s: %w", l.Name, a, err))
			continue
		}
		askers[a.Is6()] = k
	}
	return askers, failed
}

// An asking is one call of Ask.
type asking struct {
	own     map[MAC]bool
	hearing sync.WaitGroup
	mu      sync.Mutex
	found   map[netip.Addr][]MAC // of addresses that are asked for
}

// ask asks for all addresses whose family there is an asker of. Of errors it returns
// the first one.
func (a *asking) ask(ctx context.Context, askers map[bool]asker, addrs []netip.Addr, pause time.Duration) (failed error) {
	for range rounds {
		for _, addr := range addrs {
			k := askers[addr.Is6()]
			if k == nil {
				continue
			}
			if err := k.ask(addr); err != nil && failed == nil {
				failed = fmt.Errorf("ask who has %s: %w", addr, err)
			}
			if !sleep(ctx, pause) {
				return ctx.Err()
			}
		}
	}
	if len(askers) > 0 && !sleep(ctx, settle) {
		return ctx.Err()
	}
	return failed
}

// add takes in that a machine says that it has an address.
func (a *asking) add(addr netip.Addr, mac MAC) {
	a.mu.Lock()
	defer a.mu.Unlock()
	macs, asked := a.found[addr]
	if asked && !a.own[mac] && len(macs) < maxAnswers && !slices.Contains(macs, mac) {
		a.found[addr] = append(macs, mac)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
