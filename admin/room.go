package admin

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// A room is a listener that has a bounded number of connections open, so that
// whoever reaches it cannot use up the descriptors that the traffic needs. A
// new one never waits for an old one: the one that has waited longest for its
// client gives way to it.
type room struct {
	net.Listener
	most int
	// last has a connection with a request under way give way, too, if there
	// are no others; without it the new one is refused then.
	last bool

	mu      sync.Mutex
	waiting list.List // of *guest, who owe us a request, the longest one first
	asking  list.List // of *guest, whose request is under way, the longest one first
}

// A guest is a connection in a room.
type guest struct {
	net.Conn
	room *room
	at   *list.Element // in one of the lists; nil when it has left
	in   *list.List
}

func newRoom(ln net.Listener, most int, last bool) *room {
	return &room{Listener: ln, most: most, last: last}
}

// Accept implements net.Listener.
func (r *room) Accept() (net.Conn, error) {
	for {
		c, err := r.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g := &guest{Conn: c, room: r}
		if r.enter(g) {
			return g, nil
		}
		_ = c.Close() // there is no room: it has been promised nothing
	}
}

// enter makes room for g, and reports whether it could.
func (r *room) enter(g *guest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.Len()+r.asking.Len() >= r.most {
		oldest := r.waiting.Front()
		if oldest == nil && r.last {
			oldest = r.asking.Front()
		}
		if oldest == nil {
			return false
		}
		old := oldest.Value.(*guest)
		old.leave()
		_ = old.Conn.Close() // its goroutine finds out
	}
	g.join(&r.waiting)
	return true
}

// join puts g at the end of a list. The room is locked.
func (g *guest) join(l *list.List) { g.in, g.at = l, l.PushBack(g) }

// leave takes g out of its list. The room is locked.
func (g *guest) leave() {
	if g.at != nil {
		g.in.Remove(g.at)
		g.at = nil
	}
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.room.mu.Lock()
	g.leave()
	g.room.mu.Unlock()
	return g.Conn.Close()
}

// move puts g at the end of another list, if it is still there.
func (g *guest) move(l *list.List) {
	g.room.mu.Lock()
	defer g.room.mu.Unlock()
	if g.at != nil {
		g.leave()
		g.join(l)
	}
}

// guestKey is the key of a request's guest in its context.
type guestKey struct{}

// withGuest is a http.Server's ConnContext.
func withGuest(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, c)
}

// attended has a room know when requests are under way.
func attended(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			g.move(&g.room.asking)
			defer g.move(&g.room.waiting)
		}
		next.ServeHTTP(w, r)
	})
}
