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
	fwd     *UDP
	service *UDPService
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
func (f *UDP) Receive(ctx context.Context, addr netip.AddrPort, s *UDPService) (*Port, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	team, err := f.engine.team()
	if err != nil {
		return nil, err
	}
	fds, at, err := f.engine.bindings.bind(addr, len(team), dock)
	if err != nil {
		return nil, err
	}
	p := &Port{fwd: f, service: s, binding: at, team: team, fds: slices.Clone(fds)}
	f.rooms.join(&s.quota)
	errs := askAll(ctx, team, func(i int, w *worker) error { return of[*udp](w).openPort(fds[i], addr, s) })
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
		f.engine.bindings.release(at)
		f.rooms.part(&s.quota)
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
			of[*udp](w).drainPort(p.fds[i])
		}
	})
}

// Close gives the address back, and ends the flows too: without the socket
// nothing can be answered. An error is that a worker has not done its part when
// ctx was done: Close may be called again. When all is closed it does nothing.
func (p *Port) Close(ctx context.Context) error {
	err := p.each(ctx, p.close)
	if err == nil {
		p.fwd.engine.bindings.release(p.binding)
	}
	p.fwd.rooms.part(&p.service.quota)
	return err
}

func (p *Port) close(i int, w *worker) {
	if p.fds[i] != none {
		of[*udp](w).closePort(p.fds[i])
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
	service  *UDPService
	family   uint16
	anywhere bool // on a wildcard address
	plain    bool // the kernel cannot cut runs up for it
	draining bool
	count    int // of flows
	ages     [ranks]ages
}

// openPort begins to receive.
func (h *udp) openPort(fd int32, addr netip.AddrPort, s *UDPService) error {
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
	if h.replies.batch == nil {
		h.replies.batch, h.replies.post = newIntake(), new(post)
		h.flows.index = newIndex()
	}
	p.place = h.berth()
	h.ports[p.place] = p
	if e := h.reg.Add(fd, unix.EPOLLIN, Subject|p.place, 0); e != 0 {
		return e
	}
	return nil
}

// berth returns a place for a port.
func (h *udp) berth() int32 {
	for i, p := range h.ports {
		if p == nil {
			return int32(i)
		}
	}
	h.ports = append(h.ports, nil)
	return int32(len(h.ports) - 1)
}

func (h *udp) portOf(fd int32) *port {
	for _, p := range h.ports {
		if p != nil && p.fd == fd {
			return p
		}
	}
	return nil
}

func (h *udp) drainPort(fd int32) {
	if p := h.portOf(fd); p != nil {
		p.draining = true
		h.flowsDue = h.worker.tick
	}
}

func (h *udp) closePort(fd int32) {
	p := h.portOf(fd)
	if p == nil {
		closeFD(fd) // never opened
		return
	}
	for r := range ranks {
		for f := h.flows.oldest(p, r); f != nil; f = h.flows.oldest(p, r) {
			h.drop(f)
		}
	}
	h.replies.flush()
	h.ports[p.place] = nil
	if h.evict.fullest == p {
		h.evict.fullest = nil
	}
	h.reg.Forget(fd)
	closeFD(fd)
}
