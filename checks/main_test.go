package checks_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/process"
)

func TestMain(m *testing.M) { leak.Main(m) }

// long is a timeout that no test reaches unless it has failed.
const long = time.Minute

// brief is one that a check is to run into.
const brief = 200 * time.Millisecond

// run runs a check by its name and reports whether it ended with its context.
func run(t *testing.T, name string, timeout time.Duration, target checks.Target) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	check, ok := checks.For(name)
	if !ok {
		t.Fatalf("no check %s", name)
	}
	err := check(ctx, target)
	if late := time.Since(deadline(ctx)); late > long {
		t.Errorf("%s went on for %s after its context", name, late)
	}
	return err
}

// both is run, and the same by a Loop, which has to have the same result.
func both(t *testing.T, name string, timeout time.Duration, target checks.Target) error {
	t.Helper()
	err := run(t, name, timeout, target)
	alike(t, name, timeout, target, err)
	return err
}

func deadline(ctx context.Context) time.Time {
	d, _ := ctx.Deadline()
	return d
}

// want compares an error with the words it is to have; ADDR stands for the
// real server, empty means success.
func want(t *testing.T, err error, words string, addr netip.AddrPort) {
	t.Helper()
	got := ""
	if err != nil {
		got = strings.ReplaceAll(err.Error(), addr.String(), "ADDR")
	}
	if got != words {
		t.Errorf("got  %q\nwant %q", got, words)
	}
	if e, ok := errors.AsType[*checks.Error](err); err != nil && (!ok || e.Err == nil) {
		t.Errorf("%v is not a *checks.Error with a cause", err)
	}
}

// A handler is what a server does with a connection until ctx, which ends with
// the test. The connection is closed then, or when the handler returns.
type handler func(ctx context.Context, conn *net.TCPConn)

// server answers connections on loopback until the test ends.
func server(t testing.TB, host string, serve handler) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				serve(ctx, conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		cancel()
		wg.Wait()
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// refused returns an address nobody listens on.
func refused(t testing.TB) netip.AddrPort {
	t.Helper()
	return process.FreeAddr(t)
}

// silent is a server that neither answers nor closes.
func silent(ctx context.Context, _ *net.TCPConn) { <-ctx.Done() }

// says is a server that says s and closes.
func says(s string) handler {
	return func(_ context.Context, conn *net.TCPConn) {
		_, _ = io.WriteString(conn, s)
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn) // a close with bytes unread is a reset
	}
}

// resets has a connection end by a reset when it is closed, once the peer's
// kernel has acknowledged all that was written to it.
func resets(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	var info *unix.TCPInfo
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(time.Millisecond) {
		_ = raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
		if err != nil || info == nil || info.State == unix.BPF_TCP_CLOSE || info.Unacked == 0 && info.Notsent_bytes == 0 {
			break
		}
	}
	_ = conn.SetLinger(0)
}

// slowly writes a byte at a time.
func slowly(w io.Writer, s string) {
	for i := range len(s) {
		if _, err := io.WriteString(w, s[i:i+1]); err != nil {
			return
		}
	}
}

// endless writes s until nobody takes it any more.
func endless(w io.Writer, s string) {
	s = strings.Repeat(s, 1+(1<<15)/len(s))
	for {
		if _, err := io.WriteString(w, s); err != nil {
			return
		}
	}
}

// readHead reads the head of an HTTP request.
func readHead(conn net.Conn) string {
	var head strings.Builder
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

func receive(s string) checks.Matcher {
	p, err := config.CompilePattern(s)
	if err != nil {
		panic(err) // the patterns are the tests' own
	}
	return p
}
