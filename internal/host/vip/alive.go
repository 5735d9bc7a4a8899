package vip

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// A Claim tells other shunts of a network namespace that something there
// belongs to one that runs. It ends with the process, however that ends.
type Claim struct{ ln *net.UnixListener }

// NewClaim makes a claim in the network namespace of the calling thread, unless
// somebody else has made it.
func NewClaim(name string) Claim {
	ln, err := net.ListenUnix("unix", claimAddr(name))
	if err != nil {
		return Claim{}
	}
	return Claim{ln}
}

// Close ends it.
func (c Claim) Close() {
	if c.ln != nil {
		_ = c.ln.Close()
	}
}

// Claimed reports whether a process with the rights of this one has made a
// claim and runs.
func Claimed(name string) bool {
	c, err := net.DialUnix("unix", nil, claimAddr(name))
	if err != nil {
		return errors.Is(err, unix.EAGAIN) // many have asked, and nobody takes their calls
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var who *unix.Ucred
	if e := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil || err != nil {
		return false
	}
	return int(who.Uid) == os.Geteuid()
}

// claimAddr is a name that no file has, in the abstract namespace.
func claimAddr(name string) *net.UnixAddr { return &net.UnixAddr{Name: "@shunt " + name, Net: "unix"} }
