package returnpath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/vip"
)

// answerWait is how long the kernel may take to answer; it does so at once.
const answerWait = 3 * time.Second

// A kernel is the rules and routes of one network namespace. Rules are written
// and read by hand: the library takes the protocol for four bytes where the
// kernel has one.
type kernel struct {
	mark   uint8 // that rules made here have, in FRA_PROTOCOL
	socket *nl.SocketHandle
	claim  vip.Claim
}

// claimName names a mark to other shunts.
func claimName(mark uint8) string { return fmt.Sprintf("rules %d", mark) }

// openKernel returns that of the network namespace of the calling thread.
func openKernel(mark uint8) (*kernel, error) {
	s, err := nl.GetNetlinkSocketAt(-1, -1, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink for rules: %w", err)
	}
	wait := unix.NsecToTimeval(answerWait.Nanoseconds())
	_ = s.SetReceiveTimeout(&wait)
	return &kernel{mark: mark, socket: &nl.SocketHandle{Socket: s}}, nil
}

func (k *kernel) close() {
	k.socket.Socket.Close()
	k.claim.Close()
}

func (k *kernel) request(kind, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.socket}
	for _, d := range data {
		req.AddData(d)
	}
	return req.Execute(unix.NETLINK_ROUTE, 0)
}

// add makes the rule of a. One that is there is somebody else's and will do.
func (k *kernel) add(a Answer) error {
	_, err := k.request(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, k.rule(a, unix.RTN_UNICAST)...)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// remove takes the rule of a away, if it was made here.
func (k *kernel) remove(a Answer) error {
	_, err := k.request(unix.RTM_DELRULE, unix.NLM_F_ACK, k.rule(a, 0)...)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// rule is struct fib_rule_hdr, which is laid out like struct rtmsg, with
// attributes.
func (k *kernel) rule(a Answer, action uint8) []nl.NetlinkRequestData {
	msg := nl.NewRtMsg()
	msg.Family, msg.Src_len, msg.Type = a.family(), uint8(a.From.Addr().BitLen()), action
	msg.Protocol, msg.Scope, msg.Table = 0, 0, unix.RT_TABLE_UNSPEC
	return []nl.NetlinkRequestData{
		msg,
		nl.NewRtAttr(nl.FRA_SRC, a.From.Addr().AsSlice()),
		nl.NewRtAttr(nl.FRA_PRIORITY, nl.Uint32Attr(Table)),
		nl.NewRtAttr(nl.FRA_TABLE, nl.Uint32Attr(Table)),
		nl.NewRtAttr(nl.FRA_PROTOCOL, []byte{k.mark}),
		nl.NewRtAttr(nl.FRA_IP_PROTO, []byte{a.number()}),
		nl.NewRtAttr(nl.FRA_SPORT_RANGE, ports(a.From.Port())),
	}
}

func ports(port uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, port)
	return binary.NativeEndian.AppendUint16(b, port)
}

// find returns the answers there are rules for: all that lead to the table, and
// those of them that were made here, before as well.
func (k *kernel) find() (own map[Answer]bool, others int, err error) {
	own = map[Answer]bool{}
	msgs, err := vip.Settled(func() ([][]byte, error) {
		return k.request(unix.RTM_GETRULE, unix.NLM_F_DUMP, nl.NewIfInfomsg(unix.AF_UNSPEC))
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list rules: %w", err)
	}
	for _, m := range msgs {
		if len(m) < unix.SizeofRtMsg {
			continue
		}
		switch a, mark, ok := parse(m[unix.SizeofRtMsg:]); {
		case ok && mark == k.mark && a.From.IsValid():
			own[a] = true
		case ok:
			others++
		}
	}
	return own, others, nil
}

// parse reads the attributes of a rule; ok says that it leads to the table.
func parse(b []byte) (a Answer, mark uint8, ok bool) {
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return a, 0, false
	}
	var addr netip.Addr
	var port uint16
	for _, at := range attrs {
		switch v := at.Value; {
		case at.Attr.Type == nl.FRA_TABLE && len(v) >= 4:
			ok = binary.NativeEndian.Uint32(v) == Table
		case at.Attr.Type == nl.FRA_SRC:
			addr, _ = netip.AddrFromSlice(v)
		case at.Attr.Type == nl.FRA_PROTOCOL && len(v) > 0:
			mark = v[0]
		case at.Attr.Type == nl.FRA_IP_PROTO && len(v) > 0:
			a.UDP = v[0] == unix.IPPROTO_UDP
		case at.Attr.Type == nl.FRA_SPORT_RANGE && len(v) >= 4:
			port = binary.NativeEndian.Uint16(v)
		}
	}
	if addr.IsValid() && port != 0 {
		a.From = netip.AddrPortFrom(addr, port)
	}
	return a, mark, ok
}

// local makes everything local by the table, for one family, or no longer.
func (k *kernel) local(family uint8, yes bool) error {
	msg := nl.NewRtMsg()
	msg.Family, msg.Type, msg.Scope, msg.Table = family, unix.RTN_LOCAL, unix.RT_SCOPE_HOST, unix.RT_TABLE_UNSPEC
	kind, flags := unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK
	if !yes {
		kind, flags = unix.RTM_DELROUTE, unix.NLM_F_ACK
	}
	_, err := k.request(kind, flags, msg,
		nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(Table)), nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(loopback)))
	if !yes && (errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EAFNOSUPPORT)) {
		return nil
	}
	return err
}

// loopback is the index of lo in every network namespace.
const loopback = 1
