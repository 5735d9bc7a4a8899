package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// A reserve is a socket of each family, for the real server of a client that
// is taken in with the last descriptor. Sockets and not descriptors: between
// the end of one and the beginning of the other somebody else would be quick.
type reserve [2]int32

var families = [2]uint16{unix.AF_INET, unix.AF_INET6}

// absent stands in for a socket of a family that the host does not have.
const absent = -2

// refillReserve sees to the sockets in reserve, and reports whether they are there.
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

// socket makes one, or takes that in reserve if there is no other way: who has
// been taken in is to be served.
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

// release closes what is kept.
func (r *reserve) release() {
	for i, fd := range r {
		if fd >= 0 {
			engine.CloseFD(fd)
		}
		r[i] = engine.None
	}
}
