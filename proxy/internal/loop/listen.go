package loop

import (
	"context"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// backlog is asked for; the kernel gives what net.core.somaxconn allows.
const backlog = 65535

// A Listener accepts the connections of one service: a socket for each worker
// at one address, among which the kernel distributes clients.
type Listener struct {
	engine *Engine
	fds    []int32
	once   sync.Once
}

// Listen begins to accept connections for s at addr, whether or not the host
// has that address by now. IPv6 sockets are for IPv6 alone, so that both
// wildcards fit beside each other. Nobody else may be listening there.
func (e *Engine) Listen(ctx context.Context, addr netip.AddrPort, s *Service) (*Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	team, err := e.team()
	if err != nil {
		return nil, err
	}
	fds, err := bind(addr, len(team), stream)
	if err != nil {
		return nil, err
	}
	for _, fd := range fds {
		if err := unix.Listen(int(fd), backlog); err != nil {
			closeAll(fds)
			return nil, os.NewSyscallError("listen", err)
		}
	}
	l := &Listener{engine: e, fds: fds}
	return l, l.open(team, s)
}

func (l *Listener) open(team []*worker, s *Service) error {
	for i, w := range team {
		var err error
		if !w.mailbox.do(func() { err = w.open(l.fds[i], s) }) {
			err = ErrClosed
		}
		if err != nil {
			l.Close()
			return err
		}
	}
	return nil
}

// Close gives the address back. What has connected by then is served, and
// nothing more is accepted when Close returns. Closing again does nothing.
func (l *Listener) Close() {
	l.once.Do(l.close)
}

func (l *Listener) close() {
	l.engine.mu.Lock()
	team := l.engine.workers
	l.engine.mu.Unlock()
	// One socket is closed after the other, and those that are still open must
	// not get what cannot be accepted any more.
	for _, fd := range l.fds {
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &nothingNew)
	}
	for i, fd := range l.fds {
		if i >= len(team) || !team[i].mailbox.do(func() { team[i].close(fd) }) {
			return // closed with the engine
		}
	}
}

// nothingNew passes what belongs to connections being made and drops the
// attempts of new ones: they have SYN without ACK, RFC 9293 section 3.1.
var nothingNew = program(
	unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
	unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: 0x02},
	unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
)

func program(p ...unix.SockFilter) unix.SockFprog {
	return unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
}
