package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// An endpoint is one listener with its HTTP server, and counts connections so
// that their end can be waited for.
type endpoint struct {
	name     string
	listener net.Listener
	http     *http.Server
	running  sync.WaitGroup // the accept loop and one for each connection
}

func newEndpoint(name string, ln net.Listener, h http.Handler) *endpoint {
	e := &endpoint{name: name, listener: ln}
	e.http = &http.Server{
		Handler:           trackRequests(h),
		ConnContext:       withConn,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnState:         e.count,
	}
	return e
}

// count counts connections. The accept loop calls it for a new connection before
// it accepts the next, and the goroutine that served a connection calls it last.
func (e *endpoint) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		e.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		e.running.Done()
	}
}

func (e *endpoint) start(log *slog.Logger) {
	e.running.Go(func() {
		err := e.http.Serve(e.listener)
		if !errors.Is(err, http.ErrServerClosed) {
			log.Error("admin endpoint stopped answering", "endpoint", e.name, "err", err)
		}
	})
}

// shutdown stops accepting and waits for requests under way until ctx is done.
func (e *endpoint) shutdown(ctx context.Context) {
	_ = e.http.Shutdown(ctx) // stop ends those that are left
}

// stop closes the connections that are left and waits for their goroutines.
func (e *endpoint) stop() {
	_ = e.http.Close() // the listener is closed already
	e.running.Wait()
}
