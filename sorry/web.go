package sorry

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// headMax is the size of a request's head that net/http may read; it adds
	// 4 KiB by itself. Browsers with many cookies come close to half of it.
	headMax = 24 << 10
	// bodyMax is how much of a request's body is read and thrown away, so
	// that clients that send all of it before they read get their answer.
	bodyMax = 1 << 20
)

func newWeb(p pace, log *slog.Logger) *http.Server {
	w := &http.Server{
		Handler:           http.HandlerFunc(answer),
		ReadHeaderTimeout: p.head,
		ReadTimeout:       p.body,
		WriteTimeout:      p.write,
		MaxHeaderBytes:    headMax,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, clientKey{}, c.(*visitor).client)
		},
		// OPTIONS * is answered like everything else.
		DisableGeneralOptionsHandler: true,
	}
	// A client that stays connected would stay on the sorry page.
	w.SetKeepAlivesEnabled(false)
	return w
}

type clientKey struct{}

// web lets the web server answer c and waits until the answer is sent.
func web(c *client) {
	v := &visitor{client: c, closed: make(chan struct{})}
	if c.s.listener.give(v) {
		<-v.closed
	}
}

// A visitor is a client that the web server answers.
type visitor struct {
	*client
	once   sync.Once
	closed chan struct{}
}

// Close tells ServeConn that the web server is done.
func (v *visitor) Close() error {
	err := v.client.Close()
	v.once.Do(func() { close(v.closed) })
	return err
}

// answer serves the page of the client's site.
func answer(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(clientKey{}).(*client)
	c.sv.requests.Add(1)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close") // net/http would tell HTTP/1.0 clients keep-alive, and close
	h.Set("Retry-After", c.site.retry)
	if !c.site.serveFile(w, r) {
		c.site.page.serve(w, c.site.status)
	}
	drain(w, r, c.s.pace.linger)
}

func (p page) serve(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(status)
	_, _ = w.Write(p.body) // net/http leaves it out for HEAD; a client that has left gets nothing
}

// serveFile answers with the file of the site's folder that r asks for, and
// returns false if there is none.
func (s *site) serveFile(w http.ResponseWriter, r *http.Request) bool {
	name, ok := inFolder(r.URL.Path)
	if s.folder == "" || !ok {
		return false
	}
	f, size, err := openFile(s.folder, name, false)
	if err != nil {
		return false
	}
	defer f.Close()
	kind, status := kindOf(name, nil), http.StatusOK
	if isHTML(kind) {
		status = s.status
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.CopyN(w, f, size) // a file cut short ends the connection early: net/http sees to it
	}
	return true
}

// drain sends the answer and then reads some of the body that the client may
// still be sending, within a bound and a time.
func drain(w http.ResponseWriter, r *http.Request, within time.Duration) {
	if r.ContentLength == 0 {
		return
	}
	rc := http.NewResponseController(w)
	if rc.Flush() != nil || rc.SetReadDeadline(time.Now().Add(within)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, bodyMax) // the end, the deadline or the bound: all the same
}

// A handover is a listener that accepts what it is given.
type handover struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give passes c on, and returns false if the listener is closed.
func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.closed:
		return false
	}
}

// Accept waits for the next connection.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept return.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr is nowhere: the listener listens to no address.
func (h *handover) Addr() net.Addr { return &net.UnixAddr{Name: "sorry", Net: "handover"} }
