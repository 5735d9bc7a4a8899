package proxy

import (
	"context"
	"net"
	"net/netip"
	"syscall" //nolint:depguard // net.ListenConfig.Control is declared with syscall.RawConn
	"time"

	"golang.org/x/sys/unix"
)

// keepAlive finds out within two minutes that the other side of a silent
// connection is gone.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}

// listenTCP listens on addr, whether or not the host has that address by now.
// IPv6 sockets are for IPv6 alone, so that both wildcards fit beside each
// other.
func listenTCP(ctx context.Context, addr netip.AddrPort) (*net.TCPListener, error) {
	lc := net.ListenConfig{Control: freebind, KeepAliveConfig: keepAlive}
	// What is accepted from a multipath socket may be one that cannot be
	// spliced.
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(ctx, "tcp"+family(addr), addr.String())
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// listenUDP is listenTCP for datagrams.
func listenUDP(ctx context.Context, addr netip.AddrPort) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: freebind}
	pc, err := lc.ListenPacket(ctx, "udp"+family(addr), addr.String())
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

func family(addr netip.AddrPort) string {
	if addr.Addr().Unmap().Is4() {
		return "4"
	}
	return "6"
}

func freebind(network, _ string, c syscall.RawConn) error {
	level, option := unix.SOL_IP, unix.IP_FREEBIND
	if network == "tcp6" || network == "udp6" {
		level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	var err error
	if cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); cerr != nil {
		return cerr
	}
	return err
}
