package loop

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// A Port takes the datagrams of one service: a socket for each worker at one
// address, among which the kernel distributes clients.
type Port struct {
	engine  *Engine
	service *Service
	binding *binding
	team    []*worker

	mu  sync.Mutex
	fds []int32 // of each of the team, none if it is closed
}

// Receive begins to take datagrams for s at addr, whether or not the host has
// that address by now. IPv6 sockets are for IPv6 alone. Nobody else may be
// there; another service of the engine may be on all addresses, or on one of
// them. On a wildcard address clients are answered from the one they have
// sent to.
func (e *Engine) Receive(ctx context.Context, addr netip.AddrPort, s *Service) (*Port, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	team, err := e.team()
	if err != nil {
		return nil, err
	}
	fds, at, err := e.bindings.bind(addr, len(team), dock)
	if err != nil {
		return nil, err
	}
	p := &Port{engine: e, service: s, binding: at, team: team, fds: slices.Clone(fds)}
	e.rooms.join(&s.quota)
	errs := askAll(ctx, team, func(i int, w *worker) error { return w.openPort(fds[i], addr, s) })
	for i, err := range errs {
		if errors.Is(err, errStuck) || errors.Is(err, ErrClosed) {
			p.fds[i] = none
			abandon(fds[i], err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		insist(late, team, p.close)
		e.bindings.release(at)
		e.rooms.part(&s.quota)
		return nil, err
	}
	return p, nil
}

// Drain takes no new flow from when it returns nil on. Those that there are end
// when nothing has moved for ten seconds, or their idle timeout if that is
// less. An error is that a worker has not done its part when ctx was done.
func (p *Port) Drain(ctx context.Context) error {
	return p.each(ctx, func(i int, w *worker) {
		if p.fds[i] != none {
			w.drainPort(p.fds[i])
		}
	})
}

// Close gives the address back, and ends the flows too: without the socket
// nothing can be answered. An error is that a worker has not done its part when
// ctx was done: Close may be called again. When all is closed it does nothing.
func (p *Port) Close(ctx context.Context) error {
	err := p.each(ctx, p.close)
	if err == nil {
		p.engine.bindings.release(p.binding)
	}
	p.engine.rooms.part(&p.service.quota)
	return err
}

func (p *Port) close(i int, w *worker) {
	if p.fds[i] != none {
		w.closePort(p.fds[i])
		p.fds[i] = none
	}
}

// each has all workers do something with their socket.
func (p *Port) each(ctx context.Context, f func(i int, w *worker)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return unended(askAll(ctx, p.team, func(i int, w *worker) error { f(i, w); return nil }))
}

// A port is one worker's part of a Port.
type port struct {
	fd       int32
	place    int32
	service  *Service
	family   uint16
	anywhere bool // on a wildcard address
	plain    bool // the kernel cannot cut runs up for it
	draining bool
	count    int // of flows
	ages     [ranks]ages
}

// openPort begins to receive.
func (w *worker) openPort(fd int32, addr netip.AddrPort, s *Service) error {
	p := &port{fd: fd, service: s, family: unix.AF_INET6, anywhere: addr.Addr().IsUnspecified(), plain: !cutsUp(fd)}
	if addr.Addr().Unmap().Is4() {
		p.family = unix.AF_INET
	}
	if p.anywhere {
		tellLocal(fd, p.family)
	}
	for i := range p.ages {
		p.ages[i] = ages{none, none}
	}
	if w.batch == nil {
		w.batch, w.post = newIntake(), new(post)
		w.flows.index = newIndex()
	}
	p.place = w.berth()
	w.ports[p.place] = p
	if e := w.poller.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, portEvents+p.place, 0); e != 0 {
		return e
	}
	return nil
}

// berth returns a place for a port.
func (w *worker) berth() int32 {
	for i, p := range w.ports {
		if p == nil {
			return int32(i)
		}
	}
	w.ports = append(w.ports, nil)
	return int32(len(w.ports) - 1)
}

func (w *worker) portOf(fd int32) *port {
	for _, p := range w.ports {
		if p != nil && p.fd == fd {
			return p
		}
	}
	return nil
}

func (w *worker) drainPort(fd int32) {
	if p := w.portOf(fd); p != nil {
		p.draining = true
		w.flowsDue = w.tick
	}
}

func (w *worker) closePort(fd int32) {
	p := w.portOf(fd)
	if p == nil {
		closeFD(fd) // never opened
		return
	}
	for r := range ranks {
		for f := w.flows.oldest(p, r); f != nil; f = w.flows.oldest(p, r) {
			w.drop(f)
		}
	}
	w.flush()
	w.ports[p.place] = nil
	if w.fullest == p {
		w.fullest = nil
	}
	w.poller.forget(fd)
	closeFD(fd)
}
