//go:build kernel

package differential

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A server is a real server: an address of each family, on which a web server
// listens.
type server struct {
	in     *netlab.Namespace
	addrs  []netip.Prefix
	http   *http.Server
	broken atomic.Bool // it answers, and with an error
	faulty map[int]*faulty
}

// A failure is the way in which a real server fails. External checks fail with
// all of them.
type failure int

const (
	refuses  failure = iota // nobody listens
	sickens                 // the answer is an error
	vanishes                // the address is gone
)

func newServer(in *netlab.Namespace, number int) *server {
	s := &server{in: in, faulty: map[int]*faulty{}, addrs: []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", number)),
		netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", number)),
	}}
	for port := range sessions {
		s.faulty[port] = &faulty{}
	}
	return s
}

func (s *server) listen(t *testing.T) {
	t.Helper()
	s.http = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "all is well with %s of %s\n", r.URL.Path, r.Host)
	})}
	for _, p := range s.addrs {
		ln, err := s.in.Listen("tcp", net.JoinHostPort(p.Addr().String(), "80"))
		if err != nil {
			t.Fatal(err)
		}
		go func(web *http.Server) { _ = web.Serve(ln) }(s.http)
	}
	t.Cleanup(func() { _ = s.http.Close() })
}

// names are s as ldirectord knows it, in maintenance files and external checks.
func (s *server) names() []string {
	return []string{s.addrs[0].Addr().String(), "[" + s.addrs[1].Addr().String() + "]"}
}

func (s *server) fail(t *testing.T, how failure) {
	t.Helper()
	switch how {
	case refuses:
		_ = s.http.Close()
	case sickens:
		s.broken.Store(true)
	case vanishes:
		for _, p := range s.addrs {
			if err := s.in.DelAddr("eth0", p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (s *server) mend(t *testing.T, how failure) {
	t.Helper()
	switch how {
	case refuses:
		s.listen(t)
	case sickens:
		s.broken.Store(false)
	case vanishes:
		for _, p := range s.addrs {
			if err := s.in.AddAddr("eth0", p); err != nil {
				t.Fatal(err)
			}
		}
	}
}
