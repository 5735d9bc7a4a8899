package stream

import (
	"context"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// backlog is asked for; the kernel gives what net.core.somaxconn allows.
const backlog = 65535

// A Listener accepts the connections of one service.
type Listener struct {
	fwd     *Forwarder
	service *Service
	sockets *engine.Sockets
}

// Listen begins to accept connections for s at addr, see [Engine.Open].
func (f *Forwarder) Listen(ctx context.Context, addr netip.AddrPort, s *Service) (*Listener, error) {
	f.limiter.Join(&s.Quota)
	sockets, err := f.engine.Open(ctx, addr, engine.Opening{
		Kind:    stream,
		Prepare: func(fd int32) { s.keepalive.Load().setOn(fd) },
		Open:    func(w *engine.Worker, fd int32) error { return engine.Of[*handler](w).accept.listen(fd, s) },
		Close:   func(w *engine.Worker, fd int32) { engine.Of[*handler](w).accept.closeListener(fd) },
	})
	if err != nil {
		f.limiter.Part(&s.Quota)
		return nil, err
	}
	return &Listener{fwd: f, service: s, sockets: sockets}, nil
}

// Close releases the address. Clients that have connected by then are served, and
// no others are accepted after Close has returned nil. It returns an error if a
// worker has not closed its socket when ctx is done, and may then be called again.
// When all are closed it does nothing.
func (l *Listener) Close(ctx context.Context) error {
	// The sockets are closed one after the other. The kernel must not give
	// clients that will not be accepted to those that are still open.
	_ = l.sockets.Each(ctx, dropNewSYNs)
	err := l.sockets.Close(ctx)
	l.fwd.limiter.Part(&l.service.Quota)
	return err
}

// Tune applies the service's settings for keepalives and acknowledgements to new
// clients. A worker that is late does so after ctx is done.
func (l *Listener) Tune(ctx context.Context) {
	l.sockets.Insist(ctx, func(w *engine.Worker, fd int32) { engine.Of[*handler](w).accept.tune(fd) })
}

func dropNewSYNs(_ *engine.Worker, fd int32) {
	_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &dropSYNs)
}

// dropSYNs passes segments of connections that are being made and drops attempts of
// new ones: those have SYN without ACK, RFC 9293 section 3.1.
var dropSYNs = program(
	unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
	unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: 0x02},
	unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
)

func program(p ...unix.SockFilter) unix.SockFprog {
	return unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
}

// stream is a socket that has to listen to claim its address: as long as it is only
// bound, another program's socket fits beside it.
var stream = &engine.Kind{
	Open: openStream, Claim: func(fd int32) error { return unix.Listen(int(fd), backlog) },
	List: "tcp", State: "0A", First: true,
}

// openStream makes a listening socket, with the options that bind needs and those
// that the sockets of clients inherit.
func openStream(family uint16) (int32, unix.Errno) {
	fd, e := socket(family)
	if e != 0 {
		return engine.None, e
	}
	engine.SetOption(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, &engine.On)
	engine.FreeBind(fd, family)
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_NODELAY, &engine.On)
	inlineUrgent(fd)
	return fd, 0
}
