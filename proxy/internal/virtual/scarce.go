package virtual

import "golang.org/x/sys/unix"

// ErrLimit reports that the flow limit is reached. A lack of descriptors or memory
// is an error of the kernel instead.
const ErrLimit = unix.EUSERS

// errFamily reports that a real server cannot see the address of a client, which
// is of the other family.
const errFamily = unix.EPFNOSUPPORT

// Scarce reports whether e says that this host has no descriptors or no memory
// for a socket. It says nothing about the real server the socket was for.
func Scarce(e unix.Errno) bool {
	switch e {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC:
		return true
	}
	return false
}

// NoPort reports whether e says that no local port is free: the errors of connect
// over TCP and over UDP, and of bind where the kernel does not delay the choice.
func NoPort(e unix.Errno) bool {
	return e == unix.EADDRNOTAVAIL || e == unix.EAGAIN || e == unix.EADDRINUSE
}

// Local reports whether an error that connect gives at once is one of this host,
// which is nothing to count against a real server. It is but for a socket that
// has reached itself, since nobody listens.
func Local(e unix.Errno) bool { return e != unix.ECONNREFUSED && e != errFamily }

// hint says what is to be done about an error of this host.
func hint(e unix.Errno) string {
	switch {
	case e == unix.EMFILE:
		return "raise the limit of open files: LimitNOFILE= in the unit, or ulimit -n"
	case e == unix.ENFILE:
		return "raise the sysctl fs.file-max"
	case Scarce(e):
		return "free memory: see net.ipv4.tcp_mem, net.ipv4.udp_mem and the memory of the machine"
	case NoPort(e):
		return "no local port is free: widen the sysctl net.ipv4.ip_local_port_range, or add real servers"
	}
	return "see ip route get and the firewall of this host"
}
