package checks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A looping runs a Loop and what a test wants to be done in it.
type looping struct {
	*checks.Loop
	mu     sync.Mutex
	todo   []func()
	ended  bool
	panics int
	done   chan struct{}
}

func newLooping(t testing.TB) *looping {
	t.Helper()
	l := &looping{done: make(chan struct{})}
	var err error
	if l.Loop, err = checks.NewLoop(func(any, []byte) { l.panics++ }); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.done)
		l.Run(l.turn)
	}()
	t.Cleanup(l.stop)
	return l
}

func (l *looping) turn() (time.Duration, bool) {
	l.mu.Lock()
	todo := l.todo
	l.todo = nil
	ended := l.ended
	l.mu.Unlock()
	for _, f := range todo {
		f()
	}
	return -1, !ended
}

func (l *looping) do(f func()) {
	l.mu.Lock()
	l.todo = append(l.todo, f)
	l.mu.Unlock()
	l.Wake()
}

func (l *looping) stop() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.Wake()
	<-l.done
}

// A subject is what a loop checks, and who is told the results.
type subject struct {
	target *checks.Target
	done   func(error)
}

// Addr implements checks.Subject.
func (s subject) Addr() netip.AddrPort { return s.target.Addr }

// Target implements checks.Subject.
func (s subject) Target() checks.Target { return *s.target }

// Done implements checks.Subject.
func (s subject) Done(err error) { s.done(err) }

// check makes a check once, false if it is none for a Loop.
func (l *looping) check(name string, timeout time.Duration, target checks.Target) (error, bool) {
	result := make(chan error, 1)
	var r *checks.Repeated
	looped := make(chan bool, 1)
	l.do(func() {
		var ok bool
		r, ok = l.Add(name, subject{&target, func(err error) { result <- err }})
		if looped <- ok; ok {
			r.Start(timeout)
		}
	})
	if !<-looped {
		return nil, false
	}
	err := <-result
	l.do(func() { r.Remove() })
	return err, true
}

// alike runs a check by a Loop as well, which has to have the same result as its
// Func has had.
func alike(t *testing.T, name string, timeout time.Duration, target checks.Target, err error) {
	t.Helper()
	l := newLooping(t)
	defer l.stop()
	got, ok := l.check(name, timeout, target)
	if ok && (errText(got) != errText(err) || checks.KindOf(got) != checks.KindOf(err)) {
		t.Errorf("%s by a loop: %q (%s), by itself: %q (%s)", name, errText(got), checks.KindOf(got), errText(err), checks.KindOf(err))
	}
}

// answering answers each request on a connection, in random pieces, and may
// end it by a reset.
func answering(answer []byte, seed uint64, reset bool) handler {
	return func(_ context.Context, c *net.TCPConn) {
		pieces := rand.New(rand.NewPCG(seed, 2))
		_ = c.SetNoDelay(true)
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err != nil && !errors.Is(err, io.EOF) {
			return
		}
		for left := answer; len(left) > 0; {
			n := min(len(left), 1+pieces.IntN(1+len(answer)/2))
			if _, err := c.Write(left[:n]); err != nil {
				return
			}
			left = left[n:]
			runtime.Gosched()
		}
		if reset {
			resets(c)
			return
		}
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	}
}

// TestLoopAlike: whatever a server answers, in whatever pieces, a check by a
// Loop and one by its Func find the same.
func TestLoopAlike(t *testing.T) {
	l := newLooping(t)
	big := strings.Repeat("x", 200<<10) + "Test Page"
	for i, answer := range []string{
		"", "x", "Test Page", "hello\nTest Page\n", "HTTP/1.1 200 OK\r\n\r\nTest Page", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nTest Page",
		"HTTP/1.1 503 No\r\n\r\nTest Page", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nTest \r\n4\r\nPage\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n" + big, "HTTP/1.1 200 OK\r\n\r\n" + big + "?", "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + big, big + "\nTest\n", strings.Repeat("\n", 5000) + "Test Page\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20000), "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nTest Pag",
		"+Test Page\r\n", "-LOADING Test Page\r\n", "$9\r\nTest Page\r\n", "$300000\r\n" + big,
	} {
		for _, reset := range []bool{false, true} {
			if reset && len(answer) > 64<<10 {
				continue // the reset may come before all of it was read
			}
			for _, name := range []string{"http", "simpletcp", "connect", "redis"} {
				addr := server(t, "127.0.0.1", answering([]byte(answer), uint64(i), reset))
				for _, pattern := range []string{"Test Page", "Te[s]t Page", "(a|b)*(?s).{2,5}Test Page"} {
					target := checks.Target{Addr: addr, Request: "/x", Receive: receive(pattern)}
					check, _ := checks.For(name)
					ctx, cancel := context.WithTimeout(t.Context(), long)
					want := check(ctx, target)
					cancel()
					got, ok := l.check(name, long, target)
					if !ok || errText(got) != errText(want) {
						t.Errorf("%s of %.60q with %q, reset %v: %q by a loop (%v), want %q", name, answer, pattern, reset, errText(got), ok, errText(want))
					}
				}
			}
		}
	}
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestLoopHostile: whatever servers do, each check ends in time, none delays
// others, all that was open is closed and memory is bounded.
func TestLoopHostile(t *testing.T) {
	const timeout, late = 500 * time.Millisecond, 100 * time.Millisecond
	var mu sync.Mutex
	again := map[string]func(){} // was late, while 150 servers were hostile at once
	handlers := map[string]handler{
		"says nothing":  silent,
		"drips":         func(_ context.Context, c *net.TCPConn) { drip(c, "HTTP/1.1 200 OK\r\nX: ") },
		"drips a body":  func(_ context.Context, c *net.TCPConn) { _, _ = io.WriteString(c, head200+"\r\n"); drip(c, "") },
		"endless":       func(_ context.Context, c *net.TCPConn) { endless(c, "x") },
		"endless lines": func(_ context.Context, c *net.TCPConn) { endless(c, "\n") },
		"endless body":  func(_ context.Context, c *net.TCPConn) { endless(c, head200+"\r\nxxxx") },
		"chunks": func(_ context.Context, c *net.TCPConn) {
			endless(c, head200+"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		},
		"resets": func(_ context.Context, c *net.TCPConn) { _, _ = io.WriteString(c, "HTTP/1.1 2"); _ = c.SetLinger(0) },
		"closes": func(context.Context, *net.TCPConn) {},
		"control": func(_ context.Context, c *net.TCPConn) {
			_, _ = io.WriteString(c, "\x1b[2J\x00\x07HTTP/1.1 200\r\n\r\n")
		},
		"10 MB": func(_ context.Context, c *net.TCPConn) {
			_, _ = c.Write(append([]byte(head200+"\r\n"), make([]byte, 10<<20)...))
		},
		"redirects": func(_ context.Context, c *net.TCPConn) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 F\r\nLocation: http://192.0.2.1:1/\r\n\r\n")
			readHead(c)
		},
		"to TLS": func(_ context.Context, c *net.TCPConn) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 F\r\nLocation: https://192.0.2.1:"+port(c)+"/\r\n\r\n")
			readHead(c)
		},
	}
	handlers["broken certificate"] = func(_ context.Context, c *net.TCPConn) {
		if first := make([]byte, 1); !reads(c, first) || first[0] == 'G' { // of http; TLS begins with 22
			_, _ = io.WriteString(c, "HTTP/1.1 302 F\r\nLocation: https://"+c.LocalAddr().String()+"/\r\n\r\n")
			return
		}
		_, _ = io.WriteString(c, "\x16\x03\x03\x00\x59\x02\x00\x00\x51"+strings.Repeat("\xff", 80)) // and no certificate in it
	}
	bomb := gzipped(t, 64<<20)
	handlers["gzip bomb"] = func(_ context.Context, c *net.TCPConn) {
		_, _ = io.WriteString(c, head200+"Content-Encoding: gzip\r\n\r\n"+bomb)
		readHead(c)
	}
	well := server(t, "127.0.0.1", says(head200+"\r\nTest Page"))
	l := newLooping(t)
	var wg sync.WaitGroup
	for name, serve := range handlers {
		addr := server(t, "127.0.0.1", serve)
		for _, check := range []string{"http", "simpletcp"} {
			for range 5 {
				wg.Go(func() {
					target := checks.Target{Addr: addr, Receive: receive("Test Page")}
					began := time.Now()
					err, _ := l.check(check, timeout, target)
					if time.Since(began) > timeout+late {
						mu.Lock()
						again[check+" of one that "+name] = func() { _, _ = l.check(check, timeout, target) }
						mu.Unlock()
					}
					if err == nil {
						t.Errorf("%s of one that %s is well", check, name)
					}
					if text := errText(err); strings.ContainsAny(text, "\x1b\x00\x07\r\n") {
						t.Errorf("%s of one that %s: raw bytes in %q", check, name, text)
					}
				})
			}
		}
	}
	for range 20 {
		if err, _ := l.check("http", long, checks.Target{Addr: well, Receive: receive("Test Page")}); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	for what, check := range again {
		for try := 1; ; try++ {
			began := time.Now()
			check()
			took := time.Since(began)
			if took <= timeout+late {
				break
			}
			if try == 5 { // so often a busy machine may be late
				t.Errorf("%s takes %s, by itself", what, took)
				break
			}
		}
	}
	l.stop()
}

// TestLoopMemory: a check of http or simpletcp holds no more than 2 MiB at any
// time, whatever comes, and connect reads nothing at all.
func TestLoopMemory(t *testing.T) {
	l := newLooping(t)
	for what, c := range map[string]struct{ begin, more string }{
		"bytes": {"", "x"}, "line ends": {"", "\n"}, "fields": {head200, "X: y\r\n"}, "a field": {head200 + "X: ", "y"},
		"body": {head200 + "\r\n", "x"}, "chunks": {head200 + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
		"long lines": {"", strings.Repeat("x", 5000) + "\n"}, "lines that are longer": {"", strings.Repeat("\xff", 100_000) + "\n"},
		"other bytes": {"", "\xff\xfe\n"},
		"gzip bomb":   {head200 + "Content-Encoding: gzip\r\n\r\n" + gzipped(t, 64<<20), "\x00"},
	} {
		begin, piece := []byte(c.begin), bytes.Repeat([]byte(c.more), 1+1<<14/len(c.more))
		addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
			_, err := conn.Write(begin)
			for err == nil { // and allocates nothing
				_, err = conn.Write(piece)
			}
		})
		for _, check := range []string{"connect", "http", "simpletcp"} {
			held := func() int64 {
				before, peak, done := live(), int64(0), make(chan struct{})
				go func() {
					defer close(done)
					_, _ = l.check(check, brief, checks.Target{Addr: addr, Receive: receive("never (a|b)*c")})
				}()
				for {
					select {
					case <-done:
						return peak - before
					default:
						peak = max(peak, live())
					}
				}
			}
			// Memory that was dropped while the collector ran counts as live, and on
			// a busy machine it runs for long. Memory that is held is held each time.
			least := held()
			for tries := 0; least > 2<<20 && tries < 4; tries++ {
				least = min(least, held())
			}
			if least > 2<<20 {
				t.Errorf("%s of one that sends %s holds %d bytes", check, what, least)
			}
		}
	}
}

// reads reports whether b was filled from a connection.
func reads(c net.Conn, b []byte) bool {
	_, err := io.ReadFull(c, b)
	return err == nil
}

// gzipped returns so many zeros, compressed.
func gzipped(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func port(c net.Conn) string { return fmt.Sprint(c.LocalAddr().(*net.TCPAddr).Port) }

func drip(c net.Conn, first string) {
	_, _ = io.WriteString(c, first)
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestLoopStop: a stop, and the end of a check, at any moment leaves nothing
// behind and waits for nobody.
func TestLoopStop(t *testing.T) {
	quiet := server(t, "127.0.0.1", func(_ context.Context, c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	big := server(t, "127.0.0.1", func(_ context.Context, c *net.TCPConn) { endless(c, head200+"\r\nxxxx") })
	before := descriptors(t)
	for i := range 50 {
		l := newLooping(t)
		for _, addr := range []netip.AddrPort{quiet, big, refused(t)} {
			for _, name := range []string{"connect", "http", "simpletcp"} {
				l.do(func() {
					r, _ := l.Add(name, subject{&checks.Target{Addr: addr, Receive: receive("never")}, func(error) {}})
					r.Start(long)
					if i%3 == 0 {
						r.Remove()
					}
				})
			}
		}
		time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
		began := time.Now()
		l.stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a stop took %s", took)
		}
		l.Wake() // comes too late and does nothing
	}
	wait.For(t, fmt.Sprintf("descriptors are closed but the %d of before", before), func() (int, bool) {
		n := descriptors(t)
		return n, n <= before+5
	})
}

// panicking is a pattern that panics.
type panicking struct{ checks.Matcher }

func (panicking) MatchNow([]byte) (bool, bool) { panic("oops") }
func (panicking) String() string               { return "" }

// A check that panics fails, holds nothing, and is made again.
func TestLoopPanic(t *testing.T) {
	addr := server(t, "127.0.0.1", says(head200+"\r\nTest Page"))
	l := newLooping(t)
	before := session.Held()
	err, _ := l.check("http", long, checks.Target{Addr: addr, Receive: panicking{}})
	want(t, err, "http ADDR: internal error: oops", addr)
	if n := session.Held() - before; n != 0 {
		t.Errorf("%d bytes are held", n)
	}
	if err, _ = l.check("http", long, checks.Target{Addr: addr, Receive: receive("Test")}); err != nil {
		t.Error(err)
	}
}

// TestLoopLocal: for want of a descriptor a check says nothing about the real
// server.
func TestLoopLocal(t *testing.T) {
	l := newLooping(t)
	addr := server(t, "127.0.0.1", silent)
	err := withoutDescriptors(t, func() error {
		err, _ := l.check("connect", long, checks.Target{Addr: addr})
		return err
	})
	if !checks.Local(err) {
		t.Errorf("without descriptors: %v is taken for the real server's fault", err)
	}
}

// TestLoopUDP: over UDP each datagram counts alone, behind the PROXY header.
func TestLoopUDP(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(nil, from)
			_, _ = conn.WriteToUDPAddrPort([]byte("no\n"), from)
			_, _ = conn.WriteToUDPAddrPort(bytes.ToUpper(buf[:n]), from)
		}
	}()
	l := newLooping(t)
	target := checks.Target{Addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), UDP: true, Request: "ping", Receive: receive("^PING$")}
	for _, version := range []int{0, 1, 2} {
		if target.ProxyProtocol = version; version > 0 {
			target.Receive = receive("PING$")
		}
		if err, ok := l.check("simpletcp", long, target); err != nil || !ok {
			t.Errorf("PROXY %d: %v %v", version, err, ok)
		}
	}
	target.Receive = receive("never")
	err, _ = l.check("simpletcp", brief, target)
	want(t, err, "simpletcp ADDR: timed out after 200ms while waiting for a line that matches", target.Addr)
}

// TestLoopAgain: a session that has been used finds the same once more.
func TestLoopAgain(t *testing.T) {
	for name, lines := range map[string][]string{
		"smtp": {"220-a", "220 b", "221 bye"}, "submission": {"220 a", "421 no"}, "pop": {"+OK a", "+OK b", "-ERR c"},
		"imap": {"* OK a", "* BYE b"}, "nntp": {"200 a", "205 b"}, "simpletcp": {"a", "b"}, "http": {"HTTP/1.1 200 OK", ""},
	} {
		for most := range len(lines) + 1 {
			addr := server(t, "127.0.0.1", says(strings.Join(append(lines[:most:most], ""), "\r\n")))
			target := checks.Target{Addr: addr, Request: "/"}
			words := errText(both(t, name, long, target))
			l := newLooping(t)
			results, r := make(chan error, 1), (*checks.Repeated)(nil)
			for range 3 {
				l.do(func() {
					if r == nil {
						r, _ = l.Add(name, subject{&target, func(err error) { results <- err }})
					}
					r.Start(long)
				})
				if got := errText(<-results); got != words {
					t.Errorf("%s after %d lines: %q, want %q", name, most, got, words)
				}
			}
			l.stop()
		}
	}
}

// TestLoopLateConnection: a connection that is made long after it was begun is
// waited for.
func TestLoopLateConnection(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	for full := false; !full; { // the kernel drops what comes beyond the backlog
		c, err := net.DialTimeout("tcp", addr.String(), brief)
		if full = err != nil; !full {
			defer c.Close()
		}
	}
	accept := time.AfterFunc(brief, func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(c, "220 at last\r\n")
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	})
	defer accept.Stop()
	l := newLooping(t)
	for _, name := range []string{"connect", "simpletcp"} {
		if err, _ := l.check(name, long, checks.Target{Addr: addr, Receive: receive("last")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
