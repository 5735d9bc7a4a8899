package stream

import (
	"net"
	"os"
	"sync"
)

// sorryConns are the connections that sorry servers have.
type sorryConns struct {
	release func(refs)
	serving sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// serve gives a socket to the sorry server, which owns it from now on.
func (g *sorryConns) serve(o refs, fd int32) {
	g.serving.Go(func() {
		defer g.release(o)
		defer o.claim.Done()
		c, err := netConn(fd)
		if err != nil {
			return
		}
		if !g.add(c) {
			abort(c)
			return
		}
		defer g.remove(c)
		o.service.Sorry(c)
	})
}

// netConn makes a net.Conn of a socket.
func netConn(fd int32) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "client")
	defer f.Close()
	return net.FileConn(f)
}

func (g *sorryConns) add(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.conns == nil {
		g.conns = map[net.Conn]struct{}{}
	}
	g.conns[c] = struct{}{}
	return true
}

func (g *sorryConns) remove(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// close resets all of them and waits until all sorry servers have returned.
func (g *sorryConns) close() {
	g.mu.Lock()
	g.closed = true
	for c := range g.conns {
		abort(c)
	}
	g.mu.Unlock()
	g.serving.Wait()
}

func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
