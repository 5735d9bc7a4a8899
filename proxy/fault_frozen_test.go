package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy"
)

// serverEnv makes the test binary a real server that echoes, which can be frozen
// as a whole.
const serverEnv = "SHUNT_PROXY_SERVER"

// serveEcho serves until standard input ends.
func serveEcho() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); echo(c.(*net.TCPConn)) }()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return ln.Close()
}

// A frozenServer is a process that can be stopped in the middle of all.
type frozenServer struct {
	addr netip.AddrPort
	t    testing.TB
	pid  int
}

func newFrozenServer(t testing.TB) *frozenServer {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	cmd.Stderr = os.Stderr
	in := get[io.WriteCloser](t)(cmd.StdinPipe())
	out := get[io.ReadCloser](t)(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &frozenServer{t: t, pid: cmd.Process.Pid}
	t.Cleanup(func() { f.signal(unix.SIGCONT); _ = in.Close(); _ = cmd.Wait() })
	line := get[string](t)(bufio.NewReader(out).ReadString('\n'))
	f.addr = netip.MustParseAddrPort(strings.TrimSpace(line))
	return f
}

func (f *frozenServer) signal(s unix.Signal) {
	f.t.Helper()
	if err := unix.Kill(f.pid, s); err != nil {
		f.t.Error(err)
	}
}

// A real server that freezes with its window full holds up its own clients
// and nobody else. When it goes on everything arrives, also where there is next
// to no room for what has been read.
func TestFaultFrozenServer(t *testing.T) {
	t.Parallel()
	for name, room := range map[string]int64{"room": 0, "next to no room": 1} {
		t.Run(name, func(t *testing.T) { freeze(t, room) })
	}
}

func freeze(t *testing.T, room int64) {
	const clients, size = 16, 16 << 20
	f := newFrozenServer(t)
	r := newRemote(t, RemoteOptions{Limits: proxy.Limits{Buffers: room}})
	v, quiet := tcpService(t, f.addr), tcpService(t, tcpServer(t, "127.0.0.1", echo), tcpServer(t, "127.0.0.1", echo))
	r.apply(v, quiet)
	ws, settle := watch(t, quiet.ID.Addr, 4, 2), unsettled(t, r, quiet, v)

	var echoed atomic.Int64
	var streams sync.WaitGroup
	for i := range clients {
		streams.Go(func() { streamThrough(t, v.ID.Addr, uint64(i), scaled(size, size/8), &echoed) })
	}
	inTheEnd(t, "all streams are under way", func() bool { return echoed.Load() > clients<<18 })
	f.signal(unix.SIGSTOP)
	inTheEnd(t, "nothing comes back any more", func() bool {
		was := echoed.Load()
		time.Sleep(200 * time.Millisecond)
		return echoed.Load() == was
	})
	exchanges := ws.exchanges.Load()
	inTheEnd(t, "others are served as before", func() bool { return ws.exchanges.Load() > exchanges+50 })
	frozen, buffers := echoed.Load(), r.vitals(false).Load.Buffers
	f.signal(unix.SIGCONT)
	streams.Wait()
	settle()
	t.Logf("frozen after %s of %s, with buffers %+v", mib(uint64(frozen)), mib(uint64(echoed.Load())), buffers)
	t.Log(ws.heard())
	wantEmpty(t, r)
}

// streamThrough has size bytes echoed while it goes on sending, and compares
// the sums of what went and what came.
func streamThrough(t *testing.T, vip netip.AddrPort, seed uint64, size int, echoed *atomic.Int64) {
	c, err := net.Dial("tcp", vip.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Minute))
	sent, got := sha256.New(), sha256.New()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.MultiWriter(c, sent), newStream(seed), int64(size))
		_ = c.(*net.TCPConn).CloseWrite()
		done <- err
	}()
	n, err := io.Copy(io.MultiWriter(got, counting{echoed}), c)
	if e := <-done; e != nil || err != nil || n != int64(size) || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Errorf("of %d bytes %d came back, errors %v and %v", size, n, e, err)
	}
}

type counting struct{ n *atomic.Int64 }

func (c counting) Write(b []byte) (int, error) { c.n.Add(int64(len(b))); return len(b), nil }

// Clients that read a byte at a time, with the smallest windows there are,
// get every byte, and keep nobody waiting.
func TestFaultSlowReaders(t *testing.T) {
	t.Parallel()
	r := newRemote(t, RemoteOptions{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", answer), tcpServer(t, "127.0.0.1", answer))
	quiet := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	r.apply(v, quiet)
	ws, settle := watch(t, quiet.ID.Addr, 2, 2), unsettled(t, r, quiet, v)
	size := scaled(100_000, 20_000)
	var readers sync.WaitGroup
	for range 10 {
		readers.Go(func() { readSlowly(t, v.ID.Addr, size) })
	}
	readers.Wait()
	settle()
	t.Log(ws.heard())
	wantEmpty(t, r)
}

func readSlowly(t *testing.T, vip netip.AddrPort, size int) {
	c := visitor(t, vip)
	if c == nil {
		return
	}
	defer c.Close()
	_ = c.SetReadBuffer(1)
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	fmt.Fprintln(c, size)
	r, b := newAnswer(), make([]byte, 1)
	for i := range size {
		if _, err := c.Read(b); err != nil || b[0] != r.take(1)[0] {
			t.Errorf("byte %d is %d, error %v", i, b[0], err)
			return
		}
	}
	if err := errOf(c); err != nil {
		t.Errorf("after the last byte: %v", err)
	}
}

// Connections that trickle in, a byte of a request at a time, cost no more
// than others and keep nobody from being served.
func TestFaultSlowRequests(t *testing.T) {
	t.Parallel()
	n := scaled(1000, 200)
	r := newRemote(t, RemoteOptions{Limits: proxy.Limits{Connections: 2 * n}})
	slow, v := newSocketPool(t, false), tcpService(t, tcpServer(t, "127.0.0.1", echo))
	deaf := newSocketPool(t, false)
	loris := tcpService(t, deaf.listen())
	r.apply(v, loris)
	ws, settle := watch(t, v.ID.Addr, 4, 2), unsettled(t, r, v, loris)
	slow.dial(loris.ID.Addr, n)
	before := r.vitals(true).Memory
	for range 20 {
		slow.trickle()
	}
	if after := r.vitals(true).Memory; after > before+8<<20 {
		t.Errorf("%s with requests under way, %s before", mib(after), mib(before))
	}
	settle()
	t.Log(ws.heard())
	slow.scatter()
	deaf.scatter() // who has heard an end may still have something to say
	wantEmpty(t, r)
}

// trickle sends a byte on each socket.
func (w *socketPool) trickle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fd := range w.fds {
		_, err := unix.Write(fd, []byte("x"))
		w.must(err)
	}
}
