package rtnl

import (
	"fmt"
	"math"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ifaProto is the attribute of an address that says which program has added it
// (IFA_PROTO in linux/if_addr.h, since Linux 5.18; older kernels ignore it). It
// outlives the program.
const ifaProto = 11

// Bare returns addr as netlink wants it to add a VIP: a single address without a
// network, usable at once and for ever. An IPv6 address is deprecated from the
// start: the host answers for it and never chooses it as the source of its own
// connections, such as health checks (RFC 6724, section 5, rule 3).
func Bare(addr netip.Addr) *netlink.Addr {
	bits := addr.BitLen()
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, bits)}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
		a.PreferedLft, a.ValidLft = 0, math.MaxInt32
	}
	return a
}

// Host returns the address of a without its network.
func Host(a *netlink.Addr) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.IP)
	return addr.Unmap()
}

// Prefix returns the address of a with the length of its network.
func Prefix(a *netlink.Addr) netip.Prefix {
	ones, _ := a.Mask.Size()
	return netip.PrefixFrom(Host(a), ones)
}

// AddAddr adds the address that Bare describes to the link with an index, with
// proto as the program that has added it. The error is EEXIST if the link has the
// address.
func (c *Conn) AddAddr(index int, addr netip.Addr, proto uint8) error {
	a := Bare(addr)
	msg := nl.NewIfAddrmsg(nl.GetIPFamily(a.IP))
	msg.Index, msg.Prefixlen, msg.Flags = uint32(index), uint8(addr.BitLen()), uint8(a.Flags)
	data := []nl.NetlinkRequestData{
		msg,
		nl.NewRtAttr(unix.IFA_LOCAL, a.IP),
		nl.NewRtAttr(unix.IFA_ADDRESS, a.IP),
		nl.NewRtAttr(ifaProto, []byte{proto}),
	}
	if addr.Is6() {
		var life nl.IfaCacheInfo
		life.Prefered, life.Valid = uint32(a.PreferedLft), uint32(a.ValidLft) //nolint:misspell // as the library spells it
		data = append(data, nl.NewRtAttr(unix.IFA_CACHEINFO, life.Serialize()))
	}
	_, err := c.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, data...)
	return err
}

// AddrsBy returns the addresses that proto has added, by the index of their
// links.
func (c *Conn) AddrsBy(proto uint8) (map[int][]netip.Addr, error) {
	msgs, err := c.dump(unix.RTM_GETADDR, nl.NewIfInfomsg(netlink.FAMILY_ALL))
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	found := map[int][]netip.Addr{}
	for _, m := range msgs {
		if addr, by := parseAddr(m[unix.SizeofIfAddrmsg:]); by == proto && addr.IsValid() {
			index := int(nl.DeserializeIfAddrmsg(m).Index)
			found[index] = append(found[index], addr)
		}
	}
	return found, nil
}

// parseAddr reads the attributes of an address; proto is 0 if there is none.
func parseAddr(b []byte) (addr netip.Addr, proto uint8) {
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return addr, 0
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case ifaProto:
			if len(a.Value) > 0 {
				proto = a.Value[0]
			}
		case unix.IFA_ADDRESS:
			addr, _ = netip.AddrFromSlice(a.Value)
		}
	}
	return addr, proto
}
