package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// sendmmsg returns how many messages were sent, and the error of the next one.
func sendmmsg(fd int32, m []message) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(m))),
		uintptr(len(m)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), 0
}

func sendmsg(fd int32, h *unix.Msghdr) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(h)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return e
}

// unreachable reports whether e means that a real server is unreachable, by an
// ICMP message.
func unreachable(e unix.Errno) bool {
	switch e {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENONET, unix.ENOPROTOOPT, unix.EACCES:
		return true
	}
	return false
}

// stale reports whether e may be the error of an earlier datagram than the one
// that it has stopped, which has to be sent again then: the kernel reports an
// ICMP message once.
func stale(e unix.Errno) bool { return e == unix.EMSGSIZE || e == unix.EPROTO }

func datagramSocket(family uint16) (int32, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family),
		unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	return int32(n), e
}

// serviceBuffer is asked for at the socket of a service, through which all datagrams
// from and to its clients pass: it has room for some milliseconds of them. Only a
// process that may administer the network gets more than net.core.rmem_max and
// wmem_max.
//
// flowBuffer is for the replies of a flow. Requests are sent as they come.
var (
	serviceBuffer int32 = 4 << 20
	flowBuffer    int32 = 1 << 20
)

// portSocket is a socket whose address no other socket can have.
var portSocket = &engine.Kind{Open: openPortSocket, Claim: func(int32) error { return nil }, List: "udp", State: "07"}

// openPortSocket makes a socket that receives the datagrams of a service.
func openPortSocket(family uint16) (int32, unix.Errno) {
	fd, e := datagramSocket(family)
	if e != 0 {
		return engine.None, e
	}
	engine.FreeBind(fd, family)
	for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF, unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		engine.SetOption(fd, unix.SOL_SOCKET, option, &serviceBuffer)
	}
	engine.SetOption(fd, unix.SOL_UDP, unix.UDP_GRO, &engine.On)
	return fd, 0
}

// tellLocal makes the kernel report the destination of every datagram.
func tellLocal(fd int32, family uint16) {
	if family == unix.AF_INET6 {
		engine.SetOption(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, &engine.On)
	} else {
		engine.SetOption(fd, unix.SOL_IP, unix.IP_PKTINFO, &engine.On)
	}
}

// cutsUp reports whether the kernel can split runs for a socket. A kernel that
// does not know the request would send the whole run as one datagram.
func cutsUp(fd int32) bool {
	_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
}
