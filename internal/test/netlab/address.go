package netlab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// forever is a lifetime longer than that of any lab.
const forever = 1<<31 - 1

// AddAddr gives link another address, with the network it is in.
func (n *Namespace) AddAddr(link string, p netip.Prefix) error {
	return n.addAddr(link, &netlink.Addr{IPNet: ipNet(p), Flags: nodad(p.Addr())})
}

// AddVIP gives link an address that is answered for and never chosen as the
// source of what the host sends of its own accord. It has no network.
func (n *Namespace) AddVIP(link string, vip netip.Addr) error {
	addr := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(vip, vip.BitLen())), Flags: nodad(vip)}
	if vip.Is6() {
		// Deprecated from the start: a /128 would win source selection else.
		addr.PreferedLft, addr.ValidLft = 0, forever
	}
	return n.addAddr(link, addr)
}

// DelAddr takes an address away, VIP or not.
func (n *Namespace) DelAddr(link string, p netip.Prefix) error {
	l, err := n.links.LinkByName(link)
	if err == nil {
		err = n.links.AddrDel(l, &netlink.Addr{IPNet: ipNet(p)})
	}
	if err != nil {
		return fmt.Errorf("take %v from %s:%s: %w", p, n.name, link, err)
	}
	return nil
}

// Route sends what is for dst by way of the gateway via.
func (n *Namespace) Route(dst netip.Prefix, via netip.Addr) error {
	err := n.links.RouteReplace(&netlink.Route{Dst: ipNet(dst), Gw: via.AsSlice()})
	if err != nil {
		return fmt.Errorf("route %v via %v in %s: %w", dst, via, n.name, err)
	}
	return nil
}

// Gateway makes each of the addresses the default gateway of its family.
func (n *Namespace) Gateway(via ...netip.Addr) error {
	for _, gw := range via {
		everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gw.Is6() {
			everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if err := n.Route(everything, gw); err != nil {
			return err
		}
	}
	return nil
}

func (n *Namespace) addAddr(link string, addr *netlink.Addr) error {
	l, err := n.links.LinkByName(link)
	if err == nil {
		err = n.links.AddrAdd(l, addr)
	}
	if err != nil {
		return fmt.Errorf("give %v to %s:%s: %w", addr.IPNet, n.name, link, err)
	}
	return nil
}

// nodad spares IPv6 addresses the second in which the kernel asks whether
// somebody else has them.
func nodad(a netip.Addr) int {
	if a.Is6() {
		return unix.IFA_F_NODAD
	}
	return 0
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
