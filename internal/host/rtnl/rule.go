package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Rule leads packets of one protocol from one address and port to a table of
// routes. It is comparable.
type Rule struct {
	From  netip.AddrPort // the zero value in other kinds of rules
	IP    uint8          // number of the protocol: IPPROTO_TCP, IPPROTO_UDP
	Table uint32         // also the rule's priority
	Proto uint8          // the program that has added it, FRA_PROTOCOL
}

// family returns AF_INET or AF_INET6.
func (r Rule) family() uint8 {
	if r.From.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// AddRule adds a rule. It returns nil if there is an equal one, even if another
// program has added it.
func (c *Conn) AddRule(r Rule) error {
	_, err := c.request(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, r.message(unix.RTN_UNICAST)...)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// RemoveRule removes a rule that r.Proto has added. It returns nil if there is
// none.
func (c *Conn) RemoveRule(r Rule) error {
	_, err := c.request(unix.RTM_DELRULE, unix.NLM_F_ACK, r.message(0)...)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// message returns struct fib_rule_hdr, which is laid out like struct rtmsg, with
// attributes. The library sends the protocol as four bytes, but the kernel has one.
func (r Rule) message(action uint8) []nl.NetlinkRequestData {
	msg := nl.NewRtMsg()
	msg.Family, msg.Src_len, msg.Type = r.family(), uint8(r.From.Addr().BitLen()), action
	msg.Protocol, msg.Scope, msg.Table = 0, 0, unix.RT_TABLE_UNSPEC
	ports := binary.NativeEndian.AppendUint16(nil, r.From.Port())
	ports = binary.NativeEndian.AppendUint16(ports, r.From.Port())
	return []nl.NetlinkRequestData{
		msg,
		nl.NewRtAttr(nl.FRA_SRC, r.From.Addr().AsSlice()),
		nl.NewRtAttr(nl.FRA_PRIORITY, nl.Uint32Attr(r.Table)),
		nl.NewRtAttr(nl.FRA_TABLE, nl.Uint32Attr(r.Table)),
		nl.NewRtAttr(nl.FRA_PROTOCOL, []byte{r.Proto}),
		nl.NewRtAttr(nl.FRA_IP_PROTO, []byte{r.IP}),
		nl.NewRtAttr(nl.FRA_SPORT_RANGE, ports),
	}
}

// Rules returns the rules that lead to a table.
func (c *Conn) Rules(table uint32) ([]Rule, error) {
	msgs, err := c.dump(unix.RTM_GETRULE, nl.NewIfInfomsg(unix.AF_UNSPEC))
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	var rules []Rule
	for _, m := range msgs {
		if len(m) < unix.SizeofRtMsg {
			continue
		}
		if r := parseRule(m[unix.SizeofRtMsg:]); r.Table == table {
			rules = append(rules, r)
		}
	}
	return rules, nil
}

// parseRule reads the attributes of a rule; its table is 0 if they cannot be
// read.
func parseRule(b []byte) (r Rule) {
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return r
	}
	var addr netip.Addr
	var port uint16
	for _, at := range attrs {
		switch v := at.Value; {
		case at.Attr.Type == nl.FRA_TABLE && len(v) >= 4:
			r.Table = binary.NativeEndian.Uint32(v)
		case at.Attr.Type == nl.FRA_SRC:
			addr, _ = netip.AddrFromSlice(v)
		case at.Attr.Type == nl.FRA_PROTOCOL && len(v) > 0:
			r.Proto = v[0]
		case at.Attr.Type == nl.FRA_IP_PROTO && len(v) > 0:
			r.IP = v[0]
		case at.Attr.Type == nl.FRA_SPORT_RANGE && len(v) >= 4:
			port = binary.NativeEndian.Uint16(v)
		}
	}
	if addr.IsValid() && port != 0 {
		r.From = netip.AddrPortFrom(addr, port)
	}
	return r
}

// AddLocalRoute makes a table deliver all packets of a family, AF_INET or
// AF_INET6, on this host.
func (c *Conn) AddLocalRoute(family uint8, table uint32) error {
	_, err := c.request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK, localRoute(family, table)...)
	return err
}

// RemoveLocalRoute removes the route of AddLocalRoute. It returns nil if there is
// none.
func (c *Conn) RemoveLocalRoute(family uint8, table uint32) error {
	_, err := c.request(unix.RTM_DELROUTE, unix.NLM_F_ACK, localRoute(family, table)...)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	return err
}

// loopback is the index of lo in every network namespace.
const loopback = 1

func localRoute(family uint8, table uint32) []nl.NetlinkRequestData {
	msg := nl.NewRtMsg()
	msg.Family, msg.Type, msg.Scope, msg.Table = family, unix.RTN_LOCAL, unix.RT_SCOPE_HOST, unix.RT_TABLE_UNSPEC
	return []nl.NetlinkRequestData{
		msg,
		nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(table)), nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(loopback)),
	}
}
