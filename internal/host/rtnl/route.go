package rtnl

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Routes returns a function that looks up the link by which packets for an
// address leave, or the link that has the address, which is local then. The link
// is "" if there is no route. Local addresses are read once, by Routes, and routes
// at each look-up. The caller calls done after the last one.
func Routes() (lookup func(netip.Addr) (link string, local bool), done func(), err error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE) // one for all: a reload looks up every real server
	if err != nil {
		return nil, nil, fmt.Errorf("open netlink for routes: %w", err)
	}
	if lookup, err = lookupBy(h); err != nil {
		h.Close()
		return nil, nil, err
	}
	return lookup, h.Close, nil
}

func lookupBy(h *netlink.Handle) (func(netip.Addr) (link string, local bool), error) {
	links, err := Settled(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	addrs, err := Settled(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	names, own := map[int]string{}, map[netip.Addr]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	for i := range addrs {
		own[Host(&addrs[i])] = names[addrs[i].LinkIndex]
	}
	return func(a netip.Addr) (string, bool) {
		if link, ok := own[a]; ok {
			return link, true
		}
		routes, err := h.RouteGet(a.AsSlice())
		if err != nil || len(routes) == 0 {
			return "", false
		}
		return names[routes[0].LinkIndex], routes[0].Type == unix.RTN_LOCAL
	}, nil
}
