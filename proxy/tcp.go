package proxy

import (
	"context"
	"net"

	"github.com/shunt-lb/shunt/proxy/internal/stream"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A tcpFront is the listener of one service.
type tcpFront struct {
	tcp     *stream.Forwarder
	service stream.Service
	*stream.Listener
}

func newTCPFront(s *service) (front, *virtual.Service) {
	f := &tcpFront{tcp: s.plane.tcp}
	if r := s.plane.responder; r != nil {
		f.service.Sorry = func(c net.Conn) { r.ServeConn(s.name, c) }
	}
	return f, &f.service.Service
}

func (f *tcpFront) listen(ctx context.Context) (err error) {
	f.Listener, err = f.tcp.Listen(ctx, f.service.Addr, &f.service)
	return err
}

func (f *tcpFront) set(s virtual.Settings)          { f.service.Set(s) }
func (f *tcpFront) changed()                        {}
func (f *tcpFront) cut(ctx context.Context) error   { return f.tcp.Cut(ctx, &f.service) }
func (f *tcpFront) drain(ctx context.Context) error { return f.Close(ctx) }
func (f *tcpFront) close(ctx context.Context) error { return f.Close(ctx) }
func (f *tcpFront) tune(ctx context.Context)        { f.Tune(ctx) }
