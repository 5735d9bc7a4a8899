package dgram

import (
	"context"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// A Port receives the datagrams of one service.
type Port struct {
	fwd     *Forwarder
	service *Service
	sockets *engine.Sockets
}

// Receive begins to receive datagrams for s at addr, see [Engine.Open]. On a
// wildcard address clients are answered from the address that they have sent to.
func (f *Forwarder) Receive(ctx context.Context, addr netip.AddrPort, s *Service) (*Port, error) {
	f.limiter.Join(&s.Quota)
	sockets, err := f.engine.Open(ctx, addr, engine.Opening{
		Kind:    portSocket,
		Prepare: func(int32) {},
		Open:    func(w *engine.Worker, fd int32) error { return engine.Of[*handler](w).openPort(fd, addr, s) },
		Close:   func(w *engine.Worker, fd int32) { engine.Of[*handler](w).closePort(fd) },
	})
	if err != nil {
		f.limiter.Part(&s.Quota)
		return nil, err
	}
	return &Port{fwd: f, service: s, sockets: sockets}, nil
}

// Drain makes the port refuse new flows. Existing ones end when they have been idle
// for ten seconds, or their idle timeout if that is less. It returns nil when all
// workers refuse, or an error if one does not when ctx is done.
func (p *Port) Drain(ctx context.Context) error {
	return p.sockets.Each(ctx, func(w *engine.Worker, fd int32) { engine.Of[*handler](w).drainPort(fd) })
}

// Close releases the address, and ends the flows, which cannot be answered without
// the socket. It returns an error if a worker has not closed its socket when ctx is
// done, and may then be called again. When all are closed it does nothing.
func (p *Port) Close(ctx context.Context) error {
	err := p.sockets.Close(ctx)
	p.fwd.limiter.Part(&p.service.Quota)
	return err
}

// A port is one worker's part of a Port.
type port struct {
	fd       int32
	slot     int32
	service  *Service
	family   uint16
	anywhere bool // on a wildcard address
	plain    bool // the kernel cannot split runs for it
	draining bool
	count    int // of flows
	lru      [classes]lru
}

// openPort begins to receive.
func (h *handler) openPort(fd int32, addr netip.AddrPort, s *Service) error {
	p := &port{fd: fd, service: s, family: unix.AF_INET6, anywhere: addr.Addr().IsUnspecified(), plain: !cutsUp(fd)}
	if addr.Addr().Unmap().Is4() {
		p.family = unix.AF_INET
	}
	if p.anywhere {
		tellLocal(fd, p.family)
	}
	for i := range p.lru {
		p.lru[i] = lru{engine.None, engine.None}
	}
	if h.replies.in == nil {
		h.replies.in, h.replies.out = newReceiveBatch(), new(sendBatch)
		h.flows.index = newIndex()
	}
	p.slot = h.freeSlot()
	if e := h.events.Add(fd, unix.EPOLLIN, engine.Subject|p.slot, 0); e != 0 {
		return e
	}
	h.ports[p.slot] = p
	return nil
}

// freeSlot returns a free index for a port.
func (h *handler) freeSlot() int32 {
	for i, p := range h.ports {
		if p == nil {
			return int32(i)
		}
	}
	h.ports = append(h.ports, nil)
	return int32(len(h.ports) - 1)
}

func (h *handler) portOf(fd int32) *port {
	for _, p := range h.ports {
		if p != nil && p.fd == fd {
			return p
		}
	}
	return nil
}

func (h *handler) drainPort(fd int32) {
	if p := h.portOf(fd); p != nil {
		p.draining = true
		h.flowsDue = h.worker.Tick
	}
}

func (h *handler) closePort(fd int32) {
	p := h.portOf(fd)
	if p == nil {
		engine.CloseFD(fd) // never opened
		return
	}
	for r := range classes {
		for f := h.flows.oldest(p, r); f != nil; f = h.flows.oldest(p, r) {
			h.drop(f)
		}
	}
	h.replies.flush()
	h.ports[p.slot] = nil
	if h.evict.fullest == p {
		h.evict.fullest = nil
	}
	h.events.Forget(fd)
	engine.CloseFD(fd)
}
