// Package claim tells shunts of one network namespace which parts of it belong to
// one that runs.
package claim

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// A Claim tells other shunts of a network namespace that something there
// belongs to this one. It ends with the process, even if that is killed.
type Claim struct{ ln *net.UnixListener }

// New makes a claim in the network namespace of the calling thread. It returns an
// empty Claim if another process holds a claim of this name.
func New(name string) Claim {
	ln, err := net.ListenUnix("unix", socketAddr(name))
	if err != nil {
		return Claim{}
	}
	return Claim{ln}
}

// Ours reports whether the claim is held: that New has found no other.
func (c Claim) Ours() bool { return c.ln != nil }

// Close ends the claim.
func (c Claim) Close() {
	if c.ln != nil {
		_ = c.ln.Close()
	}
}

// Held reports whether a running process of the same user, this one included,
// holds a claim in the network namespace of the calling thread.
func Held(name string) bool {
	c, err := net.DialUnix("unix", nil, socketAddr(name))
	if err != nil {
		return errors.Is(err, unix.EAGAIN) // the backlog is full, because nobody accepts
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	if e := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil || err != nil {
		return false
	}
	return int(peer.Uid) == os.Geteuid()
}

// socketAddr returns an address in the abstract namespace, which has no file.
func socketAddr(name string) *net.UnixAddr { return &net.UnixAddr{Name: "@shunt " + name, Net: "unix"} }
