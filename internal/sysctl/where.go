package sysctl

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Where asks the kernel for what Options.Where is to return, in the network
// namespace of the calling thread.
func Where(addr netip.Addr) (link string, local bool) {
	routes, err := netlink.RouteGet(addr.AsSlice())
	if err != nil || len(routes) == 0 {
		return "", false
	}
	index := routes[0].LinkIndex
	if local = routes[0].Type == unix.RTN_LOCAL; local {
		index = holder(addr)
	}
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return "", local
	}
	return l.Attrs().Name, local
}

// holder returns the index of the link that has addr, 0 if none does.
func holder(addr netip.Addr) int {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return 0
	}
	for _, a := range addrs {
		if own, _ := netip.AddrFromSlice(a.IP); own.Unmap() == addr {
			return a.LinkIndex
		}
	}
	return 0
}
