package neighbor

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
)

// A MAC is an address of Ethernet.
type MAC [6]byte

// String writes it as `ip neigh` does.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// A Link is one of Ethernet on which this host has addresses.
type Link struct {
	Index int
	Name  string
	MAC   MAC
	// addr is the link-local one of IPv6, the zero value if there is none.
	addr netip.Addr
	nets []netip.Prefix // of its addresses
}

// Links are those of this host.
type Links struct {
	all  []Link
	macs map[MAC]bool
	own  map[netip.Addr]bool
}

// Here reads the links of this host that are up.
func Here() (*Links, error) {
	links, err := rtnl.Settled(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	addrs, err := rtnl.Settled(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	here := &Links{macs: map[MAC]bool{}, own: map[netip.Addr]bool{}}
	for i := range addrs {
		here.own[rtnl.Host(&addrs[i])] = true
	}
	for _, l := range links {
		at := l.Attrs()
		if len(at.HardwareAddr) != len(MAC{}) {
			continue
		}
		mac := MAC(at.HardwareAddr)
		here.macs[mac] = true
		if at.EncapType != "ether" || at.RawFlags&(unix.IFF_UP|unix.IFF_NOARP|unix.IFF_LOOPBACK) != unix.IFF_UP {
			continue
		}
		here.all = append(here.all, linkOf(at, mac, addrs))
	}
	return here, nil
}

func linkOf(at *netlink.LinkAttrs, mac MAC, addrs []netlink.Addr) Link {
	l := Link{Index: at.Index, Name: at.Name, MAC: mac}
	for i := range addrs {
		if addrs[i].LinkIndex != at.Index {
			continue
		}
		p := rtnl.Prefix(&addrs[i])
		l.nets = append(l.nets, p)
		if p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && addrs[i].Flags&unix.IFA_F_TENTATIVE == 0 {
			l.addr = p.Addr().WithZone(at.Name)
		}
	}
	return l
}

// Own reports whether this host has an address.
func (ls *Links) Own(a netip.Addr) bool { return ls.own[a] }

// Of returns the links on which clients and routers ask for an address: those that
// have it, or its network.
func (ls *Links) Of(a netip.Addr) []Link {
	var found []Link
	for _, l := range ls.all {
		for _, p := range l.nets {
			if p.Contains(a) {
				found = append(found, l)
				break
			}
		}
	}
	return found
}

// Known returns the neighbours that this host has had to do with, by their MACs.
func Known() (map[MAC][]netip.Addr, error) {
	all, err := rtnl.Settled(func() ([]netlink.Neigh, error) { return netlink.NeighList(0, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	known := map[MAC][]netip.Addr{}
	for _, n := range all {
		addr, ok := netip.AddrFromSlice(n.IP)
		if ok && len(n.HardwareAddr) == len(MAC{}) && n.State&(netlink.NUD_FAILED|netlink.NUD_INCOMPLETE|netlink.NUD_NOARP) == 0 {
			mac := MAC(n.HardwareAddr)
			known[mac] = append(known[mac], addr.Unmap())
		}
	}
	for _, addrs := range known {
		slices.SortFunc(addrs, netip.Addr.Compare) // the kernel has them in any order
	}
	return known, nil
}
