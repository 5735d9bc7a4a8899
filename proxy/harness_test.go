package proxy_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/proxy"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

func get[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newPlane(t testing.TB, o proxy.Options) *proxy.Dataplane {
	t.Helper()
	d := proxy.New(o)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func apply(t testing.TB, d *proxy.Dataplane, v dataplane.VirtualService) {
	t.Helper()
	if err := d.Apply(t.Context(), v); err != nil {
		t.Fatal(err)
	}
}

// tcpService is a service on a free port of loopback before the servers.
func tcpService(t testing.TB, servers ...netip.AddrPort) dataplane.VirtualService {
	return serviceAt(dataplane.TCP, process.FreeAddr(t), servers...)
}

func serviceAt(p dataplane.Protocol, at netip.AddrPort, servers ...netip.AddrPort) dataplane.VirtualService {
	v := dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: p, Addr: at}, Scheduler: "rr"}
	for _, addr := range servers {
		v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addr, Forward: dataplane.Masq, Weight: 1})
	}
	return v
}

// tcpServer listens on a free port of host and gives each connection to serve,
// after which it is closed.
func tcpServer(t testing.TB, host string, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	ln := get[net.Listener](t)(net.Listen("tcp", net.JoinHostPort(host, "0")))
	serveTCP(t, ln, serve)
	return netip.MustParseAddrPort(ln.Addr().String())
}

func serveTCP(t testing.TB, ln net.Listener, serve func(*net.TCPConn)) {
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(3 * patience))
				serve(c.(*net.TCPConn))
			}()
		}
	}()
}

// says sends its name and waits for the client to go.
func says(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		_, _ = io.WriteString(c, name)
		_, _ = io.Copy(io.Discard, c)
	}
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

func dial(t testing.TB, v dataplane.VirtualService) *net.TCPConn {
	t.Helper()
	c := get[net.Conn](t)(net.DialTimeout("tcp", v.ID.Addr.String(), patience))
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	return c.(*net.TCPConn)
}

// ask returns the n bytes with which the service greets, or the error.
func ask(t testing.TB, v dataplane.VirtualService, n int) (string, error) {
	t.Helper()
	c := dial(t, v)
	defer c.Close()
	b := make([]byte, n)
	_, err := io.ReadFull(c, b)
	return string(b), err
}

func wantAnswer(t testing.TB, v dataplane.VirtualService, want string) {
	t.Helper()
	if got, err := ask(t, v, len(want)); got != want {
		t.Errorf("answer %q (%v), want %q", got, err, want)
	}
}

func wantReset(t testing.TB, c *net.TCPConn) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("connection ended with %v, want a reset", err)
	}
}

// wantTurnedAway checks that v accepts a connection and resets it at once.
func wantTurnedAway(t testing.TB, v dataplane.VirtualService) {
	t.Helper()
	c, err := net.DialTimeout("tcp", v.ID.Addr.String(), patience)
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = io.Copy(io.Discard, c)
		_ = c.Close()
	}
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("connection ended with %v, want a reset", err)
	}
}

func wantRefused(t testing.TB, v dataplane.VirtualService) {
	t.Helper()
	c, err := net.DialTimeout("tcp", v.ID.Addr.String(), patience)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connecting: %v, want refused", err)
	}
}

// status is the only service's.
func status(t testing.TB, d *proxy.Dataplane) dataplane.ServiceStatus {
	t.Helper()
	all := get[[]dataplane.ServiceStatus](t)(d.Snapshot(context.Background()))
	if len(all) != 1 {
		t.Fatalf("%d services, want one", len(all))
	}
	return all[0]
}

func active(t testing.TB, d *proxy.Dataplane) int {
	t.Helper()
	n := 0
	for _, sv := range status(t, d).Servers {
		n += sv.Active
	}
	return n
}

// openFiles counts the descriptors whose target begins with prefix.
func openFiles(t testing.TB, prefix string) int {
	t.Helper()
	n := 0
	for _, e := range get[[]os.DirEntry](t)(os.ReadDir("/proc/self/fd")) {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, prefix) {
			n++
		}
	}
	return n
}

// dead is an address of loopback that refuses connections.
func dead(t testing.TB) netip.AddrPort { return process.FreeAddr(t) }

// silent is an address that does not answer a connection attempt: its backlog
// is full.
func silent(t testing.TB) netip.AddrPort {
	t.Helper()
	fd := get[int](t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa := get[unix.Sockaddr](t)(unix.Getsockname(fd)).(*unix.SockaddrInet4)
	addr := netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	for {
		c, err := net.DialTimeout("tcp", addr.String(), 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
}

func mustAddr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// exhaust leaves no descriptor to be had until lift is called.
func exhaust(t *testing.T) (lift func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	highest := get[int](t)(unix.Dup(0))
	_ = unix.Close(highest)
	// Everything below the lowest free descriptor is taken.
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(highest), Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	lift = func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }
	t.Cleanup(lift)
	return lift
}

// A recorder keeps the messages that are logged.
type recorder struct {
	mu   sync.Mutex
	said []string
}

func (r *recorder) logger() *slog.Logger { return slog.New(r) }

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, rec.Message)
	return nil
}

func (r *recorder) count(message string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.said {
		if s == message {
			n++
		}
	}
	return n
}
