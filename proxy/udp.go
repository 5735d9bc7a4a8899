package proxy

import (
	"context"

	"github.com/shunt-lb/shunt/proxy/internal/dgram"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A udpFront is the port of one service.
type udpFront struct {
	udp     *dgram.Forwarder
	service dgram.Service
	*dgram.Port
}

func newUDPFront(s *service) (front, *virtual.Service) {
	f := &udpFront{udp: s.plane.udp}
	if r := s.plane.responder; r != nil {
		f.service.Answer = func(datagram []byte) []byte { return r.Answer(s.name, datagram) }
	}
	return f, &f.service.Service
}

func (f *udpFront) listen(ctx context.Context) (err error) {
	f.Port, err = f.udp.Receive(ctx, f.service.Addr, &f.service)
	return err
}

func (f *udpFront) set(s virtual.Settings)          { f.service.Set(s) }
func (f *udpFront) changed()                        { f.service.Changed() }
func (f *udpFront) cut(ctx context.Context) error   { return f.udp.Cut(ctx, &f.service) }
func (f *udpFront) drain(ctx context.Context) error { return f.Drain(ctx) }
func (f *udpFront) close(ctx context.Context) error { return f.Close(ctx) }
func (f *udpFront) tune(context.Context)            {}
