package neighbor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv6"
)

// An ndp asks by neighbour discovery.
type ndp struct {
	link Link
	conn *ipv6.PacketConn
}

// ndpHops is the hop limit of neighbour discovery, which no packet from beyond a
// router has.
const ndpHops = 255

const (
	maxFailures = 16          // of a socket, before nobody listens to it any more
	sendTime    = time.Second // for a question
)

func openNDP(l Link) (asker, error) {
	if !l.addr.IsValid() {
		return nil, errors.New("the link has no link-local address")
	}
	c, err := net.ListenPacket("ip6:ipv6-icmp", l.addr.String())
	if err != nil {
		return nil, fmt.Errorf("open a socket for ICMPv6: %w", err)
	}
	n := &ndp{link: l, conn: ipv6.NewPacketConn(c)}
	var advertisements ipv6.ICMPFilter
	advertisements.SetAll(true)
	advertisements.Accept(ipv6.ICMPTypeNeighborAdvertisement)
	err = errors.Join(
		n.conn.SetICMPFilter(&advertisements), n.conn.SetMulticastHopLimit(ndpHops), n.conn.SetMulticastLoopback(false),
		n.conn.SetMulticastInterface(&net.Interface{Index: l.Index}), n.conn.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface, true),
	)
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("prepare a socket for ICMPv6: %w", err)
	}
	return n, nil
}

func (n *ndp) close() error { return n.conn.Close() }

// ask sends a solicitation to all machines whose address ends like addr.
func (n *ndp) ask(addr netip.Addr) error {
	group, a := netip.MustParseAddr("ff02::1:ff00:0").As16(), addr.As16()
	copy(group[13:], a[13:])
	if err := n.conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	_, err := n.conn.WriteTo(solicitation(addr, n.link.MAC), nil, &net.IPAddr{IP: group[:], Zone: n.link.Name})
	return err
}

func (n *ndp) hear(each func(netip.Addr, MAC)) {
	buf := make([]byte, 512)
	for failures := 0; failures < maxFailures; {
		got, cm, _, err := n.conn.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			failures++ // what has become of a packet that was sent
		case cm != nil && cm.HopLimit == ndpHops && cm.IfIndex == n.link.Index:
			if addr, mac, ok := advertised(buf[:got]); ok {
				each(addr, mac)
			}
		}
	}
}

const (
	icmpSolicitation  = 135
	icmpAdvertisement = 136
	optionSource      = 1 // MAC of the sender
	optionTarget      = 2 // MAC of the address asked for
	icmpFixed         = 24
)

// solicitation returns the message; the kernel adds the checksum.
func solicitation(addr netip.Addr, mac MAC) []byte {
	p := append([]byte{icmpSolicitation, 0, 0, 0, 0, 0, 0, 0}, addr.AsSlice()...)
	p = append(p, optionSource, 1)
	return append(p, mac[:]...)
}

// advertised returns the address of a neighbour advertisement, and its MAC.
func advertised(p []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(p) < icmpFixed || p[0] != icmpAdvertisement || p[1] != 0 {
		return addr, mac, false
	}
	addr = netip.AddrFrom16([16]byte(p[8:icmpFixed]))
	for options := p[icmpFixed:]; len(options) >= 8; {
		length := int(options[1]) * 8
		if length == 0 || length > len(options) {
			break
		}
		if options[0] == optionTarget && length == 8 {
			return addr, MAC(options[2:8]), true
		}
		options = options[length:]
	}
	return addr, mac, false
}
