//go:build !race

package checks_test

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// TestRepeatedCost: what is kept of a check of a real server between the times that
// it is made is no more than is agreed, before the first and after a check that went
// well. The targets are not counted: they are the caller's.
func TestRepeatedCost(t *testing.T) {
	const servers = 2000
	for _, c := range []struct {
		name   string
		target checks.Target
		answer string // to each line, and before the first
		most   int64  // bytes
	}{
		{"connect", checks.Target{}, "", 230},
		{"http", checks.Target{Request: "/health", VirtualHost: "www.example.com", Receive: receive("OK")}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 650},
		{"smtp", checks.Target{}, "250 mail.example.com\r\n", 380},
		{"redis", checks.Target{Passwd: "secret"}, "+OK\r\n+PONG\r\n", 420},
	} {
		port := repeating(t, c.answer)
		l, err := checks.NewLoop(func(v any, _ []byte) { t.Error(v) })
		if err != nil {
			t.Fatal(err)
		}
		made, kept, done := 0, make([]*checks.Repeated, servers), func(error) {}
		targets, subjects := make([]checks.Target, servers), make([]subject, servers)
		for i := range targets {
			targets[i] = c.target
			subjects[i] = subject{&targets[i], func(err error) { done(err) }}
			targets[i].Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 77, byte(i >> 8), byte(i)}), port)
		}
		live() // what pools have given up goes with the second collection
		before := live()
		for i := range subjects {
			r, ok := l.Add(c.name, &subjects[i])
			if !ok {
				t.Fatalf("a loop does not make %s", c.name)
			}
			kept[i] = r
		}
		each, after := (live()-before)/servers, int64(0)
		done = func(err error) {
			if made++; err != nil {
				t.Error(err)
			}
		}
		next := 0
		l.Run(func() (time.Duration, bool) {
			for ; next < servers && next < made+20; next++ {
				kept[next].Start(long)
			}
			if made == servers {
				after = (live() - before) / servers
			}
			return -1, made < servers
		})
		runtime.KeepAlive(kept)
		runtime.KeepAlive(targets)
		t.Logf("%s: %d bytes for each real server, %d after a check", c.name, each, after)
		if max(each, after) > c.most {
			t.Errorf("%s: %d bytes for each real server, %d after a check, want %d at the most", c.name, each, after, c.most)
		}
	}
}

// repeating returns the port of a server on all addresses of loopback that says an
// answer once at the beginning and once for each line, or when asked for a page.
func repeating(t *testing.T, answer string) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if !strings.HasPrefix(answer, "HTTP") {
				_, _ = io.WriteString(conn, answer)
			}
			lines := bufio.NewReaderSize(conn, 16)
			for line, err := lines.ReadString('\n'); err == nil; line, err = lines.ReadString('\n') {
				if !strings.HasPrefix(answer, "HTTP") || line == "\r\n" {
					_, _ = io.WriteString(conn, answer)
				}
			}
			_ = conn.Close()
		}
	}()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}
