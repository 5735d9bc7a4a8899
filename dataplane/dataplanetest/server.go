package dataplanetest

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/process"
)

// A server is a real server for TCP. It greets every connection with its name
// and does what the line after that says:
//
//	echo       send back what comes, until the client has finished
//	swap N     send N bytes while reading, until the client has finished,
//	           then say what it sent
//	shut       finish at once and report how the client ends
//	hold       report how the client ends
//	reset      reset
type server struct {
	name string
	addr netip.AddrPort // where the dataplane reaches it
	ln   *net.TCPListener
	work sync.WaitGroup

	mu    sync.Mutex
	conns map[*net.TCPConn]bool

	sent    atomic.Int64 // by all "swap" together
	reports chan report
}

// A report is the result of a "shut" or "hold".
type report struct {
	text string
	err  error // nil when the client finished properly
}

// letter returns the name of the i-th real server.
func letter(i int) string { return string(rune('a' + i)) }

// serveTCP starts the i-th real server behind a service on port.
func (s *fixture) serveTCP(i int, port uint16) *server {
	s.Helper()
	host := s.lab.Servers[i%len(s.lab.Servers)]
	addr, listen := s.place(host, port)
	srv := &server{name: letter(i), addr: addr, conns: map[*net.TCPConn]bool{}, reports: make(chan report, 100)}
	err := host.do(func() (err error) {
		srv.ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(listen))
		return err
	})
	s.check("start real server "+srv.name, err)
	srv.work.Go(srv.accept)
	s.Cleanup(srv.stop)
	return srv
}

// place returns where a real server of host is reached and where it listens: on port, or
// on a port of its own where that may be or port is 0.
func (s *fixture) place(host Host, port uint16) (addr, listen netip.AddrPort) {
	s.Helper()
	if port == 0 || s.ownPorts() {
		port = process.FreeAddr(s).Port()
	}
	return netip.AddrPortFrom(host.addr(s.six), port), netip.AddrPortFrom(host.bind(s.six), port)
}

// stop ends the server and all its connections. A second time does nothing.
func (v *server) stop() {
	_ = v.ln.Close()
	v.mu.Lock()
	for c := range v.conns {
		_ = c.Close()
	}
	v.mu.Unlock()
	v.work.Wait()
}

func (v *server) accept() {
	for {
		c, err := v.ln.AcceptTCP()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.conns[c] = true
		v.mu.Unlock()
		v.work.Go(func() { v.serve(c) })
	}
}

func (v *server) serve(c *net.TCPConn) {
	defer func() {
		_ = c.Close()
		v.mu.Lock()
		delete(v.conns, c)
		v.mu.Unlock()
	}()
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	if _, err := io.WriteString(c, v.name+"\n"); err != nil {
		return
	}
	r := bufio.NewReader(c)
	command, err := r.ReadString('\n')
	if err != nil {
		return
	}
	v.execute(c, r, command)
}

func (v *server) execute(c *net.TCPConn, r io.Reader, command string) {
	var n int64
	switch word := command[:len(command)-1]; word {
	case "echo":
		_, _ = io.Copy(c, r)
	case "shut":
		_ = c.CloseWrite()
		v.report(r)
	case "hold":
		v.report(r)
	case "reset":
		_ = c.SetLinger(0)
	default:
		if _, err := fmt.Sscanf(word, "swap %d", &n); err == nil {
			v.swap(c, r, n)
		}
	}
}

func (v *server) report(r io.Reader) {
	text, err := io.ReadAll(r)
	v.reports <- report{string(text), err}
}

func (v *server) swap(c *net.TCPConn, r io.Reader, n int64) {
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = io.Copy(io.MultiWriter(c, (*counter)(&v.sent)), noise(n)) })
	heard := digest(r)
	sending.Wait()
	_, _ = io.WriteString(c, heard+"\n")
}

// A counter counts what is written to it.
type counter atomic.Int64

func (n *counter) Write(p []byte) (int, error) {
	(*atomic.Int64)(n).Add(int64(len(p)))
	return len(p), nil
}

// noise returns n bytes that are the same every time and never repeat.
func noise(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{}), n)
}

// digest returns the length of r and a hash of it.
func digest(r io.Reader) string {
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return fmt.Sprintf("%d bytes, then %v", n, err)
	}
	return fmt.Sprintf("%d bytes with digest %x", n, h.Sum(nil)[:8])
}

// reset reports whether err is the other side's reset.
func reset(err error) bool { return errors.Is(err, unix.ECONNRESET) }
