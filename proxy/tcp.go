package proxy

import (
	"context"
	"net"

	"github.com/shunt-lb/shunt/proxy/internal/loop"
)

// tcpFront is the listener of one service.
type tcpFront struct{ *loop.Listener }

func listenTCP(ctx context.Context, s *service) (front, error) {
	if r := s.plane.responder; r != nil {
		s.loop.Sorry = func(c net.Conn) { r.ServeConn(s.name, c) }
	}
	ln, err := s.plane.engine.Listen(ctx, unmap(s.id.Addr), &s.loop)
	if err != nil {
		return nil, err
	}
	return tcpFront{ln}, nil
}

func (f tcpFront) drain(ctx context.Context) error { return f.Close(ctx) }
func (f tcpFront) close(ctx context.Context) error { return f.Close(ctx) }
func (f tcpFront) tune(ctx context.Context)        { f.Tune(ctx) }
