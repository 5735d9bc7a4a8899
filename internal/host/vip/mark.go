package vip

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ifaProto is the attribute of an address that says which program has put it
// there (IFA_PROTO in linux/if_addr.h, since Linux 5.18; kernels before that
// take no notice of it). It outlives the program.
const ifaProto = 11

// A mark is what a Manager's own addresses have in ifaProto.
type mark uint8

// markOf returns the mark of an owner. The lowest values are the kernel's own.
// Of two owners that come to the same one, the second takes nothing for what
// is left of a former run, and after a while the one that goes on puts back
// what the other takes away.
func markOf(owner string) mark {
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner))
	return mark(64 + h.Sum32()%128)
}

// A marker makes and finds addresses with a mark, which the library has no
// words for, in one network namespace.
type marker struct {
	mark   mark
	socket *nl.SocketHandle
	claim  Claim
}

// String names the mark to other shunts.
func (m mark) String() string { return fmt.Sprintf("addresses %d", uint8(m)) }

// newMarker returns one of the network namespace of the calling thread.
func newMarker(owner string) (*marker, error) {
	s, err := nl.GetNetlinkSocketAt(-1, -1, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	wait := unix.NsecToTimeval(answerWait.Nanoseconds())
	_ = s.SetReceiveTimeout(&wait)
	return &marker{mark: markOf(owner), socket: &nl.SocketHandle{Socket: s}}, nil
}

func (k *marker) request(kind, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.socket}
	for _, d := range data {
		req.AddData(d)
	}
	return req.Execute(unix.NETLINK_ROUTE, 0)
}

// add puts what Bare describes, with the mark, on the link with that index.
func (k *marker) add(index int, addr netip.Addr) error {
	a := Bare(addr)
	msg := nl.NewIfAddrmsg(nl.GetIPFamily(a.IP))
	msg.Index, msg.Prefixlen, msg.Flags = uint32(index), uint8(addr.BitLen()), uint8(a.Flags)
	data := []nl.NetlinkRequestData{
		msg,
		nl.NewRtAttr(unix.IFA_LOCAL, a.IP),
		nl.NewRtAttr(unix.IFA_ADDRESS, a.IP),
		nl.NewRtAttr(ifaProto, []byte{byte(k.mark)}),
	}
	if addr.Is6() {
		var life nl.IfaCacheInfo
		life.Prefered, life.Valid = uint32(a.PreferedLft), uint32(a.ValidLft) //nolint:misspell // as the library spells it
		data = append(data, nl.NewRtAttr(unix.IFA_CACHEINFO, life.Serialize()))
	}
	_, err := k.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, data...)
	return err
}

// find returns the addresses with the mark, by the index of their links.
func (k *marker) find() (map[int][]netip.Addr, error) {
	msgs, err := Settled(func() ([][]byte, error) {
		return k.request(unix.RTM_GETADDR, unix.NLM_F_DUMP, nl.NewIfInfomsg(netlink.FAMILY_ALL))
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	found := map[int][]netip.Addr{}
	for _, m := range msgs {
		if addr, ok := k.own(m[unix.SizeofIfAddrmsg:]); ok {
			index := int(nl.DeserializeIfAddrmsg(m).Index)
			found[index] = append(found[index], addr)
		}
	}
	return found, nil
}

// own returns the address that attributes describe, false without the mark.
func (k *marker) own(b []byte) (addr netip.Addr, marked bool) {
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return addr, false
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case ifaProto:
			marked = len(a.Value) > 0 && a.Value[0] == byte(k.mark)
		case unix.IFA_ADDRESS:
			addr, _ = netip.AddrFromSlice(net.IP(a.Value))
		}
	}
	return addr, marked && addr.IsValid()
}

func (k *marker) close() {
	k.socket.Socket.Close()
	k.claim.Close()
}
