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
)

// ErrClosed is what a closed Manager returns.
var ErrClosed = errors.New("the addresses are no longer looked after")

const (
	// answerWait is how long the kernel may take to answer; it does so at once.
	answerWait = 3 * time.Second
	// lookAgain is how often the links are looked at without an occasion, in
	// case the kernel had more to tell than could be listened to.
	lookAgain = 30 * time.Second
)

// A Manager keeps a set of addresses on their links: it adds what is missing,
// also when a link comes later, returns or has lost an address to somebody
// else, and announces what it adds. Its methods may be called from several
// goroutines at once.
type Manager struct {
	log    *slog.Logger
	links  *netlink.Handle
	own    *marker
	events *nl.NetlinkSocket
	air    sender // nil without the right to announce
	look   chan struct{}
	stop   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	resumed bool
	held    map[Address]*holding // what is wanted, and what is still to be taken away
}

// A holding is what a Manager knows of one address.
type holding struct {
	wanted bool
	there  bool  // at the last look
	added  int   // index of the link that it was added to by this owner, 0: it was there already
	err    error // why it is not there
	sent   int   // announcements since it was added or its link came up
	due    time.Time
}

// A Status is one wanted address as it was found last.
type Status struct {
	Address
	// Added says that the Manager, or one before it of the same owner, has put
	// it there, and that the Manager will take it away.
	Added bool
	// Err is why it is not there, nil if it is.
	Err error
}

// New returns a Manager of the network namespace of the calling thread that
// wants nothing yet. Without the right to announce addresses it says so once
// in log and goes on.
//
// Addresses that it adds are marked as those of owner, from Linux 5.18 on:
// what a Manager of the same owner has left, because it was killed, is the
// next one's.
func New(log *slog.Logger, owner string) (*Manager, error) {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err == nil {
		err = links.SetSocketTimeout(answerWait)
	}
	if err != nil {
		return nil, fmt.Errorf("open netlink for addresses: %w", err)
	}
	own, err := newMarker(owner)
	if err != nil {
		links.Close()
		return nil, fmt.Errorf("open netlink for addresses: %w", err)
	}
	resumed := Claimed(own.mark.String()) // what is there is somebody's who runs
	own.claim = NewClaim(own.mark.String())
	events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		links.Close()
		own.close()
		return nil, fmt.Errorf("listen to changes of links: %w", err)
	}
	m := &Manager{
		log: log, links: links, own: own, events: events,
		look: make(chan struct{}, 1), stop: make(chan struct{}), held: map[Address]*holding{}, resumed: resumed,
	}
	if air, err := newAnnouncer(); err != nil {
		log.Warn("virtual addresses will not be announced", "err", err)
	} else {
		m.air = air
	}
	m.wg.Go(m.listen)
	m.wg.Go(m.tend)
	return m, nil
}

// Clear takes away the addresses that a Manager of the same owner has left
// because it was killed.
func Clear(log *slog.Logger, owner string) error {
	if Claimed(markOf(owner).String()) {
		return nil // by another owner, who runs and has come to the same mark
	}
	own, err := newMarker(owner)
	if err != nil {
		return fmt.Errorf("open netlink for addresses: %w", err)
	}
	found, err := own.find()
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

// Set has m look after the addresses want and no others: missing ones are
// added, those that m or one before it added and that are no longer wanted are
// taken away.
// Setting what is there already writes nothing. The error names each address
// that could not be put or taken away, with the reason; m goes on trying, so
// that a caller need not.
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
			m.held[a] = &holding{}
		}
		m.held[a].wanted = true
	}
	m.reconcile()
	m.poke()
	return errors.Join(append(errs, m.errors()...)...)
}

// resume takes up, once, what an owner that was killed has left.
func (m *Manager) resume() {
	if m.resumed {
		return
	}
	m.resumed = true
	left, err := m.own.find()
	for index, addrs := range left {
		l, e := m.links.LinkByIndex(index)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		for _, addr := range addrs {
			a := Address{Addr: addr, Link: l.Attrs().Name}
			m.held[a] = &holding{there: true, added: index}
			m.log.Info("virtual address of a former run found", "address", a.Addr, "link", a.Link)
		}
	}
	if err != nil {
		m.log.Warn("virtual addresses of a former run may stay when shunt stops", "err", err)
	}
}

// errors returns why addresses are not as they should be, in their order.
func (m *Manager) errors() []error {
	var errs []error
	for _, a := range m.addresses() {
		if err := m.held[a].err; err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// addresses returns what is held, in a fixed order.
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

// Close takes away the addresses that m has added and leaves all others, those
// of keep among them. The error names what could not be taken away. Closing
// again returns nil.
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
	if m.air != nil {
		err = errors.Join(err, m.air.close())
	}
	return err
}
