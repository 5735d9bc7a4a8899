package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shunt-lb/shunt/admin/schema"
	"github.com/shunt-lb/shunt/admin/token"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

const (
	// patience is how long the director may take to return its status before it
	// counts as stuck. It stays below the ten seconds after which Prometheus
	// gives up on a scrape.
	patience = 3 * time.Second
	// grace is how long Close lets requests under way finish.
	grace = time.Second
	// pace is how long a client may take for a piece of an answer.
	pace = 5 * time.Second
	// maxConns of an address may be open at once.
	maxConns = 128
	// maxAsking is how many may ask the director for its status at once: each
	// gets a copy of it.
	maxAsking = 4
)

// A Source is the director, as far as this package needs it. All methods are
// called from many goroutines at once and return soon after ctx is done.
type Source interface {
	Status(ctx context.Context) (director.Status, error)
	// History returns the latest results of the checks of real servers.
	History(ctx context.Context, service, real string) ([]director.ServerHistory, error)
	// Reload reads the configuration again and returns when it is in force,
	// or was refused: then the error has one problem a line.
	Reload(ctx context.Context) error
}

// Omit says what scrapes leave out of what there is; the zero value is nothing.
type Omit struct {
	Zero  bool // counters and histograms that are 0
	Reals bool // all that is about single real servers
}

// ParseOmit reads words with commas between them: "nozero" leaves out zeros, "services"
// leaves services and nothing about their real servers, "full" is everything.
func ParseOmit(words string) (o Omit, err error) {
	for word := range strings.SplitSeq(words, ",") {
		switch strings.TrimSpace(word) {
		case "nozero":
			o.Zero = true
		case "services":
			o.Reals = true
		case "full", "":
		default:
			return o, fmt.Errorf("metrics %q: want full, nozero, services, or nozero,services", words)
		}
	}
	return o, nil
}

// Options configure a Server. Source and Log are needed.
type Options struct {
	Source Source
	Log    *slog.Logger
	// Version and Commit say which shunt this is.
	Version, Commit string
	// Config is the absolute path of the configuration file. On the control
	// socket a request about another one is refused. "" accepts all requests.
	Config string
	// ControlGroup is the number of a group that may open the control socket
	// beside the user that shunt runs as; 0 for none.
	ControlGroup int
	// Omit says what scrapes leave out.
	Omit Omit
	// Sorry reads the built-in sorry server's counters, by service, at every
	// scrape; nil where there is none. It is called from many goroutines at
	// once and the map is the caller's.
	Sorry func() map[string]SorryStats
	// Tokens are those that the TCP address takes orders by; nil: it takes none.
	Tokens *token.Tokens
	// Orders carries out what operators order; nil if nobody does.
	Orders Orders
	// Events are the latest of the director; nil refuses who asks for them.
	Events *director.Events
	// Connections yields the connections that are being forwarded, as they are found; an
	// error is the last. Nil is none. It is called from many goroutines at once.
	Connections func(context.Context) iter.Seq2[dataplane.Connection, error]
}

// A Server answers on the addresses given to ListenTCP and ListenControl until
// it is closed.
type Server struct {
	source      Source
	log         *slog.Logger
	version     string
	config      string
	group       int
	registry    *prometheus.Registry // of the metrics that every program has
	sorry       sorryCollector
	connections func(context.Context) iter.Seq2[dataplane.Connection, error]
	orders      Orders
	views       views
	events      *director.Events
	omit        Omit
	gate        gate            // of orders over TCP
	leaving     context.Context // done when Close begins
	leave       context.CancelFunc
	pace        time.Duration
	asking      chan struct{}
	life        context.Context // of every request; end ends them
	end         context.CancelFunc

	once      sync.Once // of Close
	mu        sync.Mutex
	closed    bool
	endpoints []*endpoint
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	life, end := context.WithCancel(context.Background())
	leaving, leave := context.WithCancel(life)
	s := &Server{
		source: o.Source, log: o.Log, version: o.Version, config: o.Config, group: o.ControlGroup, omit: o.Omit, gate: gate{tokens: o.Tokens, log: o.Log}, connections: o.Connections, orders: o.Orders, life: life, end: end,
		pace: pace, asking: make(chan struct{}, maxAsking),
		events: o.Events, leaving: leaving, leave: leave,
	}
	s.registry, s.sorry = newRegistry(o), o.Sorry
	s.views.init(s)
	return s
}

// ListenTCP serves metrics, health, status and page on addr, in the form
// host:port, and returns the address it got. Nothing there changes anything without
// one of Options.Tokens, but everybody who reaches it can read all of it.
func (s *Server) ListenTCP(ctx context.Context, addr string) (net.Addr, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("admin address %s: %w", addr, err)
	}
	e := newEndpoint("admin address", limitConns(ln, maxConns, true), s.public())
	e.http.ReadTimeout, e.http.WriteTimeout = 10*time.Second, 30*time.Second
	if err := s.serve(e); err != nil {
		return nil, err
	}
	s.views.begin(s)
	return ln.Addr(), nil
}

// ListenControl serves the control socket on path, which only the user that
// shunt runs as, root and Options.ControlGroup can open. A folder that is
// another user's, or that others may write to, is an error. A socket left by a
// dead shunt is replaced; one that is in use is an error, and so is any other
// file that is in the way. If the socket is removed, it is made again within
// seconds. It is gone when Close returns.
func (s *Server) ListenControl(ctx context.Context, path string) error {
	ln, err := listenControl(ctx, controlSocket{path: path, config: s.config, group: s.group}, s.log)
	if err != nil {
		return err
	}
	return s.serve(newEndpoint("control socket", limitConns(ln, maxConns, false), s.control()))
}

// Close stops listening, gives requests under way a moment to finish, and
// returns nil when every connection and goroutine is gone. A second Close does
// nothing but wait for the first.
func (s *Server) Close() error {
	s.once.Do(s.close)
	return nil
}

func (s *Server) close() {
	s.mu.Lock()
	endpoints := s.endpoints
	s.closed, s.endpoints = true, nil
	s.mu.Unlock()
	s.leave()

	s.views.close()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var wg sync.WaitGroup
	for _, e := range endpoints {
		wg.Go(func() { e.shutdown(ctx) })
	}
	wg.Wait()
	s.end()
	for _, e := range endpoints {
		e.stop()
	}
}

func (s *Server) serve(e *endpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = e.listener.Close() // no request has been accepted on it
		return errors.New("admin server is closed")
	}
	e.http.BaseContext = func(net.Listener) context.Context { return s.life }
	e.http.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)
	s.endpoints = append(s.endpoints, e)
	e.start(s.log)
	return nil
}

// status asks the director and waits for the time patience.
func (s *Server) status(ctx context.Context) (director.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var st director.Status
	var err error
	select {
	case s.asking <- struct{}{}:
		st, err = s.source.Status(ctx)
		<-s.asking
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return st, fmt.Errorf("the director has not answered for %v", patience)
	}
	if err != nil {
		return st, fmt.Errorf("the director does not tell its status: %w", err)
	}
	st.API, st.Version = schema.Version, s.version
	return st, nil
}
