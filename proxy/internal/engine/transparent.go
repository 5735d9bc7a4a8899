package engine

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MayBindTransparent returns nil if this process may use addresses that are not the
// host's, which Settings.Transparent needs. It needs CAP_NET_ADMIN, or CAP_NET_RAW,
// in the user namespace of its network.
func MayBindTransparent() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	return os.NewSyscallError("IP_TRANSPARENT", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1))
}

// BindTransparent binds a socket for a real server to the address from, which may be
// another host's. The kernel chooses the port when the socket connects, so that
// connections to different servers can share a port.
func (w *Worker) BindTransparent(fd int32, from, to netip.Addr) unix.Errno {
	if from.Is4() != to.Unmap().Is4() {
		return unix.EPFNOSUPPORT
	}
	if from.Is4() {
		SetOption(fd, unix.SOL_IP, unix.IP_TRANSPARENT, &On)
	} else {
		SetOption(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, &On)
	}
	SetOption(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, &On)
	w.Peer.Set(netip.AddrPortFrom(from, 0))
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&w.Peer.Raw)), uintptr(w.Peer.Size))
	return e
}
