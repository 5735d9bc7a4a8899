package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// A reserve is a socket of each family, for the real server of a client that is
// accepted with the last descriptor. It has sockets and not descriptors, because
// another thread could take a descriptor between closing one and opening a
// socket.
type reserve [2]int32

var families = [2]uint16{unix.AF_INET, unix.AF_INET6}

// absent stands in for a socket of a family that the host does not have.
const absent = -2

// refillReserve makes the sockets that are missing in the reserve, and reports
// whether it is complete.
func (a *acceptor) refillReserve() bool {
	for i, family := range families {
		if a.reserve[i] != engine.None {
			continue
		}
		fd, e := socket(family)
		switch e {
		case 0:
			a.reserve[i] = fd
		case unix.EAFNOSUPPORT:
			a.reserve[i] = absent
		default:
			return false
		}
	}
	return true
}

// socket makes a socket, or takes the one in reserve if that fails: a client that
// has been accepted must be served.
func (a *acceptor) socket(family uint16) (int32, unix.Errno) {
	fd, e := socket(family)
	if e != unix.EMFILE && e != unix.ENFILE {
		return fd, e
	}
	kept := &a.reserve[0]
	if family == unix.AF_INET6 {
		kept = &a.reserve[1]
	}
	if *kept < 0 {
		return fd, e
	}
	fd, *kept = *kept, engine.None
	a.pause()
	return fd, 0
}

// release closes the sockets of the reserve.
func (r *reserve) release() {
	for i, fd := range r {
		if fd >= 0 {
			engine.CloseFD(fd)
		}
		r[i] = engine.None
	}
}
