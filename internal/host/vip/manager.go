package vip

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/claim"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
)

// ErrClosed is the error of a closed Manager.
var ErrClosed = errors.New("the addresses are no longer looked after")

const (
	// lookAgain is the interval at which the links are read without a report, in
	// case reports of the kernel were lost.
	lookAgain = 30 * time.Second
)

// A Manager keeps a set of addresses on their links: it adds those that are
// missing, also when a link comes later or comes back or another program has
// removed an address, and announces them. Its methods may be called from several
// goroutines at once.
type Manager struct {
	log        *slog.Logger
	links      *netlink.Handle
	own        *marked
	events     *nl.NetlinkSocket
	neighbours sender // nil without the right to announce
	look       chan struct{}
	stop       chan struct{}
	wg         sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	resumed bool
	held    map[Address]*state // addresses that are wanted, or still to be removed
}

// A state is the state of one address.
type state struct {
	wanted bool
	there  bool  // at the last look
	added  int   // index of the link that it was added to by this owner, 0: it was there already
	err    error // why it is not there
	sent   int   // announcements since it was added or its link came up
	due    time.Time
}

// A Status is the state of one wanted address at the last look.
type Status struct {
	Address
	// Added reports that the Manager, or an earlier one of the same owner, has
	// added the address, and that the Manager will remove it.
	Added bool
	// Err is why the address is not there, nil if it is.
	Err error
}

// New returns a Manager for the network namespace of the calling thread, without
// addresses. Without the right to announce addresses it says so once in log and
// goes on.
//
// From Linux 5.18 on, the Manager marks the addresses that it adds as those of
// owner, and adopts the addresses that a killed Manager of the same owner has
// left.
func New(log *slog.Logger, owner string) (*Manager, error) {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err == nil {
		err = links.SetSocketTimeout(rtnl.Timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("open netlink for addresses: %w", err)
	}
	own, err := openMarked(owner)
	if err != nil {
		links.Close()
		return nil, err
	}
	resumed := claim.Held(claimName(own.mark)) // the addresses belong to an owner that runs
	own.claim = claim.New(claimName(own.mark))
	events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		links.Close()
		own.close()
		return nil, fmt.Errorf("listen to changes of links: %w", err)
	}
	m := &Manager{
		log: log, links: links, own: own, events: events,
		look: make(chan struct{}, 1), stop: make(chan struct{}), held: map[Address]*state{}, resumed: resumed,
	}
	if air, err := newAnnouncer(); err != nil {
		log.Warn("virtual addresses will not be announced", "err", err)
	} else {
		m.neighbours = air
	}
	m.wg.Go(m.listen)
	m.wg.Go(m.tend)
	return m, nil
}

// Clear removes the addresses that a killed Manager of the same owner has left.
func Clear(log *slog.Logger, owner string) error {
	if claim.Held(claimName(markOf(owner))) {
		return nil // a running owner has the same mark
	}
	own, err := openMarked(owner)
	if err != nil {
		return err
	}
	found, err := own.AddrsBy(own.mark)
	own.close()
	if err != nil || len(found) == 0 {
		return err
	}
	m, err := New(log, owner)
	if err != nil {
		return err
	}
	_ = m.Set(nil)
	return m.Close()
}

// Set makes m keep the addresses want and no others. It adds the missing ones and
// removes those that m, or a Manager of the same owner before it, has added and
// that are no longer wanted. Setting equal addresses writes nothing. The error
// names each address that could not be added or removed, with the reason; m goes
// on trying.
func (m *Manager) Set(want []Address) error {
	var errs []error
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.resume()
	for _, h := range m.held {
		h.wanted = false
	}
	for _, a := range want {
		if err := a.check(); err != nil {
			errs = append(errs, err)
			continue
		}
		if m.held[a] == nil {
			m.held[a] = &state{}
		}
		m.held[a].wanted = true
	}
	m.reconcile()
	m.poke()
	return errors.Join(append(errs, m.errors()...)...)
}

// resume adopts, once, the addresses that a killed Manager of the same owner has
// left.
func (m *Manager) resume() {
	if m.resumed {
		return
	}
	m.resumed = true
	left, err := m.own.AddrsBy(m.own.mark)
	for index, addrs := range left {
		l, e := m.links.LinkByIndex(index)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		for _, addr := range addrs {
			a := Address{Addr: addr, Link: l.Attrs().Name}
			m.held[a] = &state{there: true, added: index}
			m.log.Info("virtual address of a former run found", "address", a.Addr, "link", a.Link)
		}
	}
	if err != nil {
		m.log.Warn("virtual addresses of a former run may stay when shunt stops", "err", err)
	}
}

// errors returns the errors of all addresses, in their order.
func (m *Manager) errors() []error {
	var errs []error
	for _, a := range m.addresses() {
		if err := m.held[a].err; err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// addresses returns all addresses in a fixed order.
func (m *Manager) addresses() []Address {
	return slices.SortedFunc(maps.Keys(m.held), Address.Compare)
}

// Status returns the wanted addresses in order of links and addresses.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Status
	for _, a := range m.addresses() {
		if h := m.held[a]; h.wanted {
			all = append(all, Status{Address: a, Added: h.added != 0, Err: h.err})
		}
	}
	return all
}

// Close removes the addresses that m has added, except those of keep. The error
// names the addresses that could not be removed. Closing again returns nil.
func (m *Manager) Close(keep ...Address) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	close(m.stop)
	m.events.Close()
	m.mu.Unlock()
	m.wg.Wait()

	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.held {
		h.wanted = false
	}
	for _, a := range keep {
		delete(m.held, a)
	}
	m.reconcile()
	err := errors.Join(m.errors()...)
	m.links.Close()
	m.own.close()
	if m.neighbours != nil {
		err = errors.Join(err, m.neighbours.close())
	}
	return err
}
