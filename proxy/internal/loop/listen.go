package loop

import (
	"context"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// backlog is asked for; the kernel gives what net.core.somaxconn allows.
const backlog = 65535

// A Listener accepts the connections of one service: a socket for each worker
// at one address, among which the kernel distributes clients.
type Listener struct {
	fds  []int32
	team []*worker // who accepts from them; what a worker has only it may touch
	once sync.Once
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
	l := &Listener{fds: fds}
	for _, fd := range fds {
		s.settings.Load().vigil.bequeath(fd)
	}
	if err := l.open(team, s); err != nil {
		l.Close()
		closeAll(l.fds[len(l.team):]) // nobody accepts from them
		return nil, err
	}
	return l, nil
}

// open has the workers accept.
func (l *Listener) open(team []*worker, s *Service) error {
	for i, w := range team {
		err := ErrClosed
		w.mailbox.do(func() { err = w.open(l.fds[i], s) })
		if err != nil {
			return err
		}
		l.team = append(l.team, w)
	}
	return nil
}

// Close gives the address back. What has connected by then is served, and
// nothing more is accepted when Close returns. Closing again does nothing.
func (l *Listener) Close() {
	l.once.Do(func() {
		// One socket is closed after the other, and those that are still open
		// must not get what cannot be accepted any more.
		l.each(deafen)
		l.each((*worker).close)
	})
}

// each has all workers do something with their part, but for those that have
// closed it because they have ended.
func (l *Listener) each(f func(w *worker, fd int32)) {
	for i, w := range l.team {
		w.mailbox.do(func() { f(w, l.fds[i]) })
	}
}

func deafen(_ *worker, fd int32) {
	_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &nothingNew)
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
