package admin

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// A limitedListener limits how many of its connections are open, so that clients
// cannot use up the descriptors that the traffic needs. A new connection never
// waits for an old one: it replaces the one that has been idle longest.
type limitedListener struct {
	net.Listener
	limit int
	// replaceBusy: if no connection is idle, a new one replaces the one with the
	// longest request. Without it the new one is closed then.
	replaceBusy bool

	mu   sync.Mutex
	idle list.List // of *limitedConn without a request, the longest one first
	busy list.List // of *limitedConn with a request, the longest one first
}

// A limitedConn is a connection of a limitedListener.
type limitedConn struct {
	net.Conn
	listener *limitedListener
	at       *list.Element // in one of the lists; nil once closed
	in       *list.List
}

func limitConns(ln net.Listener, limit int, replaceBusy bool) *limitedListener {
	return &limitedListener{Listener: ln, limit: limit, replaceBusy: replaceBusy}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &limitedConn{Conn: conn, listener: l}
		if l.add(c) {
			return c, nil
		}
		_ = conn.Close() // nothing was sent on it
	}
}

// add adds c, in place of another connection if need be, and reports whether it
// could.
func (l *limitedListener) add(c *limitedConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle.Len()+l.busy.Len() >= l.limit {
		oldest := l.idle.Front()
		if oldest == nil && l.replaceBusy {
			oldest = l.busy.Front()
		}
		if oldest == nil {
			return false
		}
		old := oldest.Value.(*limitedConn)
		old.leave()
		_ = old.Conn.Close() // its goroutine ends with that
	}
	c.join(&l.idle)
	return true
}

// join adds c to the end of a list. The listener is locked.
func (c *limitedConn) join(l *list.List) { c.in, c.at = l, l.PushBack(c) }

// leave removes c from its list. The listener is locked.
func (c *limitedConn) leave() {
	if c.at != nil {
		c.in.Remove(c.at)
		c.at = nil
	}
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.listener.mu.Lock()
	c.leave()
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// move moves c to the end of another list, unless it is closed.
func (c *limitedConn) move(l *list.List) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.at != nil {
		c.leave()
		c.join(l)
	}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// withConn is the ConnContext of an http.Server.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// trackRequests marks connections as busy while they have a request.
func trackRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*limitedConn); ok {
			c.move(&c.listener.busy)
			defer c.move(&c.listener.idle)
		}
		next.ServeHTTP(w, r)
	})
}
