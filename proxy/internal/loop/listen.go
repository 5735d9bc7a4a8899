package loop

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// backlog is asked for; the kernel gives what net.core.somaxconn allows.
const backlog = 65535

// A Listener accepts the connections of one service: a socket for each worker
// at one address, among which the kernel distributes clients.
type Listener struct {
	fwd     *TCP
	service *TCPService
	binding *binding
	team    []*worker // who accepts; what a worker has only it may touch

	mu  sync.Mutex
	fds []int32 // of each of the team, none if it is closed
}

// Listen begins to accept connections for s at addr, whether or not the host
// has that address by now. IPv6 sockets are for IPv6 alone, so that both
// wildcards fit beside each other. Nobody else may be listening there; another
// service of the engine may be on all addresses, or on one of them.
func (f *TCP) Listen(ctx context.Context, addr netip.AddrPort, s *TCPService) (*Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	team, err := f.engine.team()
	if err != nil {
		return nil, err
	}
	fds, at, err := f.engine.bindings.bind(addr, len(team), stream)
	if err != nil {
		return nil, err
	}
	f.places.join(&s.quota)
	for _, fd := range fds {
		s.vigil.Load().bequeath(fd)
	}
	l := &Listener{fwd: f, service: s, binding: at, team: team, fds: slices.Clone(fds)}
	errs := askAll(ctx, team, func(i int, w *worker) error { return of[*tcp](w).accept.open(fds[i], s) })
	for i, err := range errs {
		if err != nil {
			l.fds[i] = none
			abandon(fds[i], err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		insist(late, team, l.close)
		f.engine.bindings.release(at)
		f.places.part(&s.quota)
		return nil, err
	}
	return l, nil
}

// Close gives the address back. What has connected by then is served, and
// nothing more is accepted when Close returns nil. An error is that a worker
// has not done its part when ctx was done: Close may be called again. When all
// is closed it does nothing.
func (l *Listener) Close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// One socket is closed after the other, and those that are still open
	// must not get what cannot be accepted any more.
	_ = l.each(ctx, l.deafen)
	err := l.each(ctx, l.close)
	if err == nil {
		l.fwd.engine.bindings.release(l.binding)
	}
	l.fwd.places.part(&l.service.quota)
	return err
}

// each has all workers do something with their part.
func (l *Listener) each(ctx context.Context, do func(i int, w *worker)) error {
	return unended(askAll(ctx, l.team, func(i int, w *worker) error { do(i, w); return nil }))
}

func (l *Listener) close(i int, w *worker) {
	if l.fds[i] != none {
		of[*tcp](w).accept.close(l.fds[i])
		l.fds[i] = none
	}
}

func (l *Listener) deafen(i int, _ *worker) {
	if l.fds[i] != none {
		_ = unix.SetsockoptSockFprog(int(l.fds[i]), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &nothingNew)
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
