package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// The benchmarks of this file say what the proxy itself costs: it runs in a
// process of its own, whose processor time they report beside the time that
// passes.

// childEnv makes the test binary that process: it holds the network and the
// address of the real server.
const childEnv = "SHUNT_PROXY_CHILD"

// serveAsChild serves until standard input ends.
func serveAsChild(server string) error {
	network, server, _ := strings.Cut(server, " ")
	v, err := childService(network, netip.MustParseAddrPort(server))
	if err != nil {
		return err
	}
	d := proxy.New(proxy.Options{Workers: 1, Limits: proxy.Limits{Flows: 15000}})
	if err := d.Apply(context.Background(), v); err != nil {
		return err
	}
	fmt.Println(v.ID.Addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return d.Close()
}

func childService(network string, server netip.AddrPort) (v dataplane.VirtualService, err error) {
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return v, err
		}
		return serviceAt(dataplane.UDP, netip.MustParseAddrPort(c.LocalAddr().String()), server), c.Close()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return v, err
	}
	return serviceAt(dataplane.TCP, netip.MustParseAddrPort(ln.Addr().String()), server), ln.Close()
}

// A child is the process of a proxy.
type child struct {
	addr string
	pid  int
}

func startChild(b *testing.B, network string, server netip.AddrPort) child {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+network+" "+server.String())
	cmd.Stderr = os.Stderr
	in := get[io.WriteCloser](b)(cmd.StdinPipe())
	out := get[io.ReadCloser](b)(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return child{strings.TrimSpace(addr), cmd.Process.Pid}
}

// cpu returns what all threads have used.
func (c child) cpu(b *testing.B) time.Duration {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.pid))
	var sum time.Duration
	for _, f := range files {
		var ran time.Duration
		if text, err := os.ReadFile(f); err == nil {
			_, _ = fmt.Sscan(string(text), &ran)
		}
		sum += ran
	}
	if sum == 0 {
		b.Fatal("this kernel does not say what a thread has used")
	}
	return sum
}

// report runs f and reports the processor time of the proxy for each of so
// many operations.
func (c child) report(b *testing.B, f func()) {
	before := c.cpu(b)
	b.ResetTimer()
	f()
	b.StopTimer()
	b.ReportMetric(float64((c.cpu(b)-before).Nanoseconds())/float64(b.N), "proxy-ns/op")
}

func lasting(c *net.TCPConn) { _ = c.SetDeadline(time.Time{}); echo(c) }

// BenchmarkCostOfRequest has 64 connections kept, each with one request on its
// way at a time.
func BenchmarkCostOfRequest(b *testing.B) {
	const conns, size = 64, 64
	p := startChild(b, "tcp", tcpServer(b, "127.0.0.1", lasting))
	var clients []net.Conn
	for range conns {
		c := get[net.Conn](b)(net.Dial("tcp", p.addr))
		defer c.Close()
		clients = append(clients, c)
	}
	p.report(b, func() {
		var all sync.WaitGroup
		for i, c := range clients {
			all.Go(func() {
				request := make([]byte, size)
				for range (b.N + i) / conns {
					_, _ = c.Write(request)
					if _, err := io.ReadFull(c, request); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// BenchmarkCostOfConnection connects, sends 100 bytes, gets 128 and closes, 16
// at a time.
func BenchmarkCostOfConnection(b *testing.B) {
	const clients = 16
	p := startChild(b, "tcp", tcpServer(b, "127.0.0.1", func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 100))
		_, _ = c.Write(make([]byte, 128))
		_, _ = io.Copy(io.Discard, c)
	}))
	p.report(b, func() {
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				for range (b.N + i) / clients {
					if err := short(p.addr); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

func short(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 100)); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 128))
	return err
}

// BenchmarkCostOfStream receives 1 MiB for each operation, over one
// connection.
func BenchmarkCostOfStream(b *testing.B) {
	p := startChild(b, "tcp", tcpServer(b, "127.0.0.1", func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Time{})
		piece := make([]byte, 256<<10)
		for {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	}))
	c := get[net.Conn](b)(net.Dial("tcp", p.addr))
	defer c.Close()
	piece := make([]byte, 1<<20)
	b.SetBytes(int64(len(piece)))
	p.report(b, func() {
		for range b.N {
			if _, err := io.ReadFull(c, piece); err != nil {
				b.Fatal(err)
			}
		}
	})
}
