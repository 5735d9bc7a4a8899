package checks_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
)

// A benchmark's server is a process of its own, so that cpu-us/op is what the
// check costs. It listens on every loopback address, and the checks go from
// one to the next: they have real servers enough to not run out of ports.
const benchServer = "CHECKS_BENCH_SERVER"

func init() {
	if os.Getenv(benchServer) == "" {
		return
	}
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(ln.Addr().String() + "\n")
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	panic(http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Test Page") })))
}

func benchmark(b *testing.B, name string, target checks.Target, port uint16) {
	check, _ := checks.For(name)
	b.ReportAllocs()
	before, n := cpu(b), 0
	for b.Loop() {
		n++
		target.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)}), port)
		ctx, cancel := context.WithTimeout(context.Background(), long)
		if err := check(ctx, target); err != nil {
			b.Fatal(err)
		}
		cancel()
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(n), "cpu-us/op")
}

func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// servers starts the servers and returns their port.
func servers(b *testing.B) uint16 {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), benchServer+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line := make([]byte, 64)
	n, err := stdout.Read(line)
	if err != nil {
		b.Fatal(err)
	}
	return netip.MustParseAddrPort(strings.TrimSpace(string(line[:n]))).Port()
}

func BenchmarkConnect(b *testing.B) { benchmark(b, "connect", checks.Target{}, servers(b)) }

func BenchmarkHTTP(b *testing.B) {
	benchmark(b, "http", checks.Target{Request: "/", Receive: receive("Test Page")}, servers(b))
}

func BenchmarkPing(b *testing.B) { benchmark(b, "ping", checks.Target{}, 0) }
