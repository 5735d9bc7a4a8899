package proxy

import (
	"context"
	"net"
	"net/netip"
	"syscall" //nolint:depguard // net.ListenConfig.Control is declared with syscall.RawConn

	"golang.org/x/sys/unix"
)

// listenUDP opens a socket at addr, whether or not the host has that address
// by now. IPv6 sockets are for IPv6 alone, so that both wildcards fit beside
// each other.
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
	if network == "udp6" {
		level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	var err error
	if cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); cerr != nil {
		return cerr
	}
	return err
}
