package checks_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// announced is a real server that wants a header of a version before anything
// else, and answers by HTTP.
func announced(t *testing.T, host string, version int, said *heard) netip.AddrPort {
	return server(t, host, func(_ context.Context, conn *net.TCPConn) {
		var b []byte
		for one := make([]byte, 1); ; {
			if _, err := io.ReadFull(conn, one); err != nil {
				t.Errorf("the header ends after %q: %v", b, err)
				return
			}
			b = append(b, one...)
			if h, _, err := proxyheader.Parse(b); err == nil {
				said.add(b, h, conn)
				break
			}
		}
		if first := b[0] == 'P'; first != (version == 1) {
			t.Errorf("%q is not of version %d", b, version)
		}
		_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\nfine\n")
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	})
}

// heard counts what a real server was told.
type heard struct {
	mu    sync.Mutex
	count int
	wrong []string
}

func (h *heard) add(b []byte, header proxyheader.Header, conn *net.TCPConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	peer := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	if header.Named() && header.Source != peer {
		h.wrong = append(h.wrong, string(b))
	}
}

func (h *heard) times() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// TestAnnouncedChecks: where a real server wants the PROXY protocol, a check
// says that it is the director's own.
func TestAnnouncedChecks(t *testing.T) {
	for version := 1; version <= 2; version++ {
		for _, host := range []string{"127.0.0.1", "::1"} {
			var said heard
			addr := announced(t, host, version, &said)
			for _, c := range []struct{ name, request string }{
				{"connect", ""}, {"http", "/"}, {"http_proxy", "/http://www.example.test/"}, {"simpletcp", ""},
			} {
				want(t, run(t, c.name, long, checks.Target{Addr: addr, Request: c.request, ProxyProtocol: version}), "", addr)
			}
			// connect does not wait for the server
			wait.For(t, "four checks are announced", func() (int, bool) { n := said.times(); return n, n == 4 })
			said.mu.Lock()
			if len(said.wrong) > 0 {
				t.Errorf("headers with the address of somebody else: %q", said.wrong)
			}
			said.mu.Unlock()
		}
	}
}

// A redirect to another port leads to somebody who has not asked for a header.
func TestRedirectsAreNotAnnounced(t *testing.T) {
	got := make(chan string, 1)
	other := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
		b := make([]byte, 5)
		_, _ = io.ReadFull(conn, b)
		got <- string(b)
		_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n")
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	})
	first := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
		_, _ = io.WriteString(conn, "HTTP/1.0 302 Found\r\nLocation: http://"+other.String()+"/\r\n\r\n")
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn) // what is not read makes a reset
	})
	want(t, run(t, "http", long, checks.Target{Addr: first, Request: "/", ProxyProtocol: 1}), "", first)
	select {
	case b := <-got:
		if b != "GET /" {
			t.Errorf("the other server got %q first", b)
		}
	default:
		t.Error("the redirect was not followed")
	}
}

// TestAnnouncedDatagrams has a header in front of the request.
func TestAnnouncedDatagrams(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1000)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if h, m, err := proxyheader.ParseDatagram(b[:n]); err == nil && !h.Named() {
				_, _ = c.WriteTo([]byte(strings.ToUpper(string(b[m:n]))), from)
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	addr := netip.MustParseAddrPort(c.LocalAddr().String())
	want(t, run(t, "simpletcp", long, checks.Target{Addr: addr, UDP: true, Request: "/ping", Receive: receive("PING"), ProxyProtocol: 2}), "", addr)
}
