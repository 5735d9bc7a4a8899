package sysctl

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/vip"
)

// Where returns what Options.Where wants, for the network namespace of the
// calling thread: addresses are those of this moment, routes are asked for,
// until done is called.
func Where() (where func(netip.Addr) (link string, local bool), done func(), err error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE) // one for all: a reload asks for every real server
	if err != nil {
		return nil, nil, fmt.Errorf("open netlink for routes: %w", err)
	}
	if where, err = whereBy(h); err != nil {
		h.Close()
		return nil, nil, err
	}
	return where, h.Close, nil
}

func whereBy(h *netlink.Handle) (func(netip.Addr) (link string, local bool), error) {
	links, err := vip.Settled(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	addrs, err := vip.Settled(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	names, own := map[int]string{}, map[netip.Addr]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	for i := range addrs {
		own[vip.Host(&addrs[i])] = names[addrs[i].LinkIndex]
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
