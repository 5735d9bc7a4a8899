package checks

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall" //nolint:depguard // net.UDPConn.SyscallConn returns a syscall.RawConn

	"golang.org/x/sys/unix"
)

// A segment is how large the packets are that a real server asks clients for, and
// that its network takes. The zero value is not known.
type segment struct {
	asked int // of data, in one packet of TCP without options: what its SYN-ACK says
	mtu   int // of the route to the real server
}

const (
	tcpHeader  = 20
	ipHeader   = 20
	ipv6Header = 40
	// usualMTU is that of Ethernet. Clients from elsewhere send no larger packets,
	// whatever a real server asks for.
	usualMTU = 1500
)

// segmentOf reads the segment off a connection to the VIP of a server. The zero
// value is its answer where the kernel has none.
func segmentOf(conn net.Conn, server netip.AddrPort) segment {
	asked, err := askedFor(conn)
	if err != nil {
		return segment{}
	}
	mtu, err := routeMTU(server)
	if err != nil {
		return segment{}
	}
	return segment{asked, mtu}
}

// repairEnds is TCP_REPAIR_OFF_NO_WP of linux/tcp.h: repair ends, and sends nothing.
const repairEnds = -1

// askedFor returns the maximum segment size that the other end has announced. The
// kernel says so of a connection under repair alone, which needs CAP_NET_ADMIN:
// what it says else is bounded by the MTU of the path, and IPVS tells a sender on
// this host that of the tunnel.
func askedFor(conn net.Conn) (size int, err error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	err = onSocket(tcp, func(fd int) (err error) {
		if err = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, 1); err != nil {
			return err
		}
		size, err = unix.GetsockoptInt(fd, unix.SOL_TCP, unix.TCP_MAXSEG)
		end := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, repairEnds)
		if end != nil { // before Linux 4.19: this sends a probe of the window
			end = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, 0)
		}
		return errors.Join(err, end)
	})
	return size, err
}

// routeMTU returns the largest packet that gets to a server: the MTU of the link,
// of the route, or the smaller one that has been learnt of the path. Nothing is
// sent.
func routeMTU(server netip.AddrPort) (mtu int, err error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	level, option := unix.SOL_IP, unix.IP_MTU
	if server.Addr().Unmap().Is6() {
		level, option = unix.SOL_IPV6, unix.IPV6_MTU
	}
	err = onSocket(conn, func(fd int) (err error) {
		mtu, err = unix.GetsockoptInt(fd, level, option)
		return err
	})
	return mtu, err
}

func onSocket(c syscall.Conn, do func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	return errors.Join(raw.Control(func(fd uintptr) { failed = do(int(fd)) }), failed)
}

// narrow says that packets which the real server asks clients for do not fit on
// the way to it, "" if they do.
func (v *via) narrow() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.path.narrow(v.server.Addr(), v.size)
}

func (p Path) narrow(server netip.Addr, s segment) string {
	headers, tables := ipHeader+tcpHeader, "iptables"
	if p.VIP.Addr().Is6() {
		headers, tables = ipv6Header+tcpHeader, "ip6tables"
	}
	room := s.mtu - p.Wrap
	if s.asked == 0 || room >= min(s.asked+headers, usualMTU) {
		return ""
	}
	if !p.Tunnel {
		return fmt.Sprintf("the real server asks clients for packets of %d bytes, and the MTU to it is %d: large packets of clients, such as uploads, may be lost; give all machines on that link the same MTU",
			s.asked+headers, s.mtu)
	}
	return fmt.Sprintf("the real server asks clients for packets of %d bytes, and with the %d bytes of the tunnel they are larger than %d, the MTU to %s: "+
		"large packets of clients, such as uploads, hang where ICMP does not tell them; on the real server: "+
		"%s -t mangle -A OUTPUT -p tcp -s %s --tcp-flags SYN,RST SYN -j TCPMSS --set-mss %d; or give all links on the way to it an MTU of %d",
		s.asked+headers, p.Wrap, s.mtu, server, tables, p.VIP.Addr(), room-headers, min(s.asked+headers, usualMTU)+p.Wrap)
}
