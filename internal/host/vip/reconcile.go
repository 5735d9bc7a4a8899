package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
)

// A link is the state of a link in the kernel.
type link struct {
	link  netlink.Link // nil if there is none; then err says why
	err   error
	addrs map[netip.Addr]bool
}

// read returns the links that addresses are held on.
func (m *Manager) read() map[string]*link {
	links := map[string]*link{}
	for a := range m.held {
		if links[a.Link] == nil {
			links[a.Link] = m.readLink(a.Link)
		}
	}
	return links
}

func (m *Manager) readLink(name string) *link {
	l := &link{addrs: map[netip.Addr]bool{}}
	if l.link, l.err = m.links.LinkByName(name); l.err != nil {
		if _, missing := errors.AsType[netlink.LinkNotFoundError](l.err); missing {
			l.err = unix.ENODEV
		}
		return l
	}
	var addrs []netlink.Addr
	addrs, l.err = rtnl.Settled(func() ([]netlink.Addr, error) { return m.links.AddrList(l.link, netlink.FAMILY_ALL) })
	for i := range addrs {
		l.addrs[rtnl.Host(&addrs[i])] = true
	}
	return l
}

// reconcile adds and removes addresses until the links are as wanted, as far as
// that is possible, and returns what it found on them. It writes nothing if
// nothing has to change.
func (m *Manager) reconcile() map[string]*link {
	links := m.read()
	for _, a := range m.addresses() {
		h, l := m.held[a], links[a.Link]
		if l.err == nil && h.added != 0 && h.added != l.link.Attrs().Index {
			h.added = 0 // another link of the same name
		}
		if h.wanted {
			m.put(a, h, l)
		} else if m.remove(a, h, l); h.err == nil {
			delete(m.held, a)
		}
	}
	return links
}

// put adds a unless it is on l.
func (m *Manager) put(a Address, h *state, l *link) {
	h.err = nil
	there := h.there
	h.there = l.err == nil && l.addrs[a.Addr]
	switch {
	case h.there && !there && h.added == 0:
		m.log.Info("virtual address was there already", "address", a.Addr, "link", a.Link)
	case h.there:
	case l.err != nil:
		h.err = fmt.Errorf("put %v: %w", a, explain(l.err))
	default:
		m.add(a, h, l)
	}
}

func (m *Manager) add(a Address, h *state, l *link) {
	err := m.own.AddAddr(l.link.Attrs().Index, a.Addr, m.own.mark)
	if errors.Is(err, unix.EEXIST) {
		return // another program was faster; the kernel reports that, and the next look sees it
	}
	if err != nil {
		h.err = fmt.Errorf("put %v: %w", a, explain(err))
		return
	}
	h.there, h.added, h.sent, h.due = true, l.link.Attrs().Index, 0, time.Time{}
	m.log.Info("virtual address added", "address", a.Addr, "link", a.Link)
}

// remove removes a from l if it was added here and is still there.
func (m *Manager) remove(a Address, h *state, l *link) {
	h.err = nil
	if h.added == 0 || l.link == nil || l.err == nil && !l.addrs[a.Addr] {
		return
	}
	err := m.links.AddrDel(l.link, rtnl.Bare(a.Addr))
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.ENODEV) {
		h.err = fmt.Errorf("take away %v: %w", a, explain(err))
		return
	}
	m.log.Info("virtual address removed", "address", a.Addr, "link", a.Link)
}

// announce sends the announcements that are due and returns the time until the
// next ones. It announces only addresses that m has added, and announces them
// again when their link comes up again, because there may be other neighbours
// then.
func (m *Manager) announce(links map[string]*link, now time.Time) time.Duration {
	next := lookAgain
	if m.neighbours == nil {
		return next
	}
	for _, a := range m.addresses() {
		h := m.held[a]
		mac, up := station(links[a.Link])
		if !up || h.added == 0 || !h.there {
			h.sent, h.due = 0, time.Time{}
			continue
		}
		if h.sent < len(pauses) && !h.due.After(now) {
			m.send(a, h, mac, now)
		}
		if h.sent < len(pauses) {
			next = min(next, max(h.due.Sub(now), 0))
		}
	}
	return next
}

func (m *Manager) send(a Address, h *state, mac net.HardwareAddr, now time.Time) {
	if err := m.neighbours.announce(h.added, mac, a.Addr); err != nil {
		m.log.Debug("virtual address not announced", "address", a.Addr, "link", a.Link, "err", err)
	}
	if h.sent++; h.sent < len(pauses) {
		h.due = now.Add(pauses[h.sent])
	}
}

// station returns the Ethernet address of a link, and whether neighbours can be
// reached on it now.
func station(l *link) (mac net.HardwareAddr, up bool) {
	if l == nil || l.err != nil {
		return nil, false
	}
	at := l.link.Attrs()
	const running = unix.IFF_UP | unix.IFF_RUNNING
	up = at.RawFlags&running == running && at.RawFlags&(unix.IFF_LOOPBACK|unix.IFF_NOARP) == 0
	return at.HardwareAddr, up && len(at.HardwareAddr) == 6
}
