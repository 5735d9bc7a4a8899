package load

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	backlog     = 1 << 16 // the kernel makes it somaxconn
	udpBuffer   = 4 << 20 // so that nothing is lost at the ends of the measurement
	portRetries = 16
)

// listen opens the two sockets of a real server in the thread's namespace.
func listen(s Serve) (tcp, udp int32, err error) {
	for range portRetries {
		tcp, err = listenOn(s.Address, unix.SOCK_STREAM, s.Buffer)
		if err != nil {
			return -1, -1, err
		}
		var bound netip.AddrPort
		if bound, err = addrPort(tcp); err == nil {
			udp, err = listenOn(bound, unix.SOCK_DGRAM, s.Buffer)
		}
		if err == nil {
			return tcp, udp, nil
		}
		closeDescriptor(tcp)
		if s.Address.Port() != 0 {
			break // else the port may have been taken for UDP alone
		}
	}
	return -1, -1, err
}

func listenOn(a netip.AddrPort, kind, buffer int) (int32, error) {
	fd, errno := socket(family(a.Addr()), kind)
	if errno != 0 {
		return -1, fmt.Errorf("open a socket for %v: %w", a, errno)
	}
	if a.Addr().Is6() {
		_ = setOption(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if kind == unix.SOCK_DGRAM {
		setDatagramOptions(fd, buffer)
	} else {
		setStreamOptions(fd, buffer)
	}
	sa := newSockaddr(a)
	if errno = bind(fd, &sa); errno == 0 && kind == unix.SOCK_STREAM {
		_, _, errno = unix.RawSyscall(unix.SYS_LISTEN, uintptr(fd), backlog, 0)
	}
	if errno != 0 {
		closeDescriptor(fd)
		return -1, fmt.Errorf("listen on %v: %w", a, errno)
	}
	return fd, nil
}

// setStreamOptions sets options that accepted sockets inherit.
func setStreamOptions(fd int32, buffer int) {
	_ = setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	_ = setOption(fd, unix.SOL_TCP, unix.TCP_NODELAY, 1)
	setBuffers(fd, buffer)
}

// setDatagramOptions makes the kernel report the destination of each datagram:
// the answer has to come from that one, and a real server may have several.
func setDatagramOptions(fd int32, buffer int) {
	_ = setOption(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
	_ = setOption(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	if buffer == 0 {
		buffer = udpBuffer
	}
	setBuffers(fd, buffer)
}

// setBuffers exceeds the system's limits if the process has the privilege.
func setBuffers(fd int32, size int) {
	if size == 0 {
		return
	}
	if setOption(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size) != 0 {
		_ = setOption(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	}
	if setOption(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != 0 {
		_ = setOption(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
}
