package proxy

import (
	"context"

	"github.com/shunt-lb/shunt/proxy/internal/loop"
)

// udpFront is the port of one service.
type udpFront struct{ *loop.Port }

func listenUDP(ctx context.Context, s *service) (front, error) {
	if r := s.plane.responder; r != nil {
		s.loop.Answer = func(datagram []byte) []byte { return r.Answer(s.name, datagram) }
	}
	port, err := s.plane.engine.Receive(ctx, unmap(s.id.Addr), &s.loop)
	if err != nil {
		return nil, err
	}
	return udpFront{port}, nil
}

func (f udpFront) drain(ctx context.Context) error { return f.Drain(ctx) }
func (f udpFront) close(ctx context.Context) error { return f.Close(ctx) }
func (f udpFront) tune(context.Context)            {}
