package director

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// listen accepts connections at addr, writes text to each and closes it.
func listen(t testing.TB, addr, text string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text)
			c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln
}

// listenAll accepts and closes connections on one port of every loopback
// address.
func listenAll(t testing.TB) uint16 {
	t.Helper()
	return uint16(portOf(listen(t, "0.0.0.0:0", "")))
}

// hangAll takes connections on one port of every loopback address up to a
// full queue and never accepts any: further attempts hang.
func hangAll(t testing.TB) uint16 {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(sa.(*unix.SockaddrInet4).Port)
	for range 16 {
		c, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), 300*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue never filled up")
	return 0
}

// loopbacks are n real servers 127.NET.x.y:port.
func loopbacks(n int, net byte, port uint16) []config.Real {
	var rs []config.Real
	for i := range n {
		a := netip.AddrFrom4([4]byte{127, net, byte(i / 250), byte(i%250 + 1)})
		rs = append(rs, config.Real{Addr: netip.AddrPortFrom(a, port), Name: a.String(), Weight: 1})
	}
	return rs
}

// realRig is a director with real checks of real servers.
func realRig(t testing.TB, reals []config.Real) (*Director, config.Virtual) {
	t.Helper()
	v := virtual("127.0.0.1:9")
	v.CheckInterval, v.FastInterval, v.DownInterval, v.CheckTimeout = time.Second, time.Second, time.Second, time.Second
	v.Reals = reals
	path := filepath.Join(t.TempDir(), "test.cf")
	writeFile(t, path, "text")
	d := New(Options{
		Path: path, Dataplane: newPlane(), MaxChecks: 4096,
		Parse: func(context.Context, *config.Source) (*config.Config, error) { return conf(v), nil },
	})
	if err := d.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d, v
}

// until waits until cond holds for the servers of the only service.
func until(t testing.TB, d *Director, what string, cond func([]ServerStatus) bool) {
	t.Helper()
	wait.Until(t, what, func() bool {
		s, err := d.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return cond(s.Services[0].Servers)
	})
}

// The bound of TestDetectionTime once with real sockets: 500 servers that are
// well, 500 that hang, and one that dies. The time it took is logged; what is
// asserted is that it is noticed at all while the others hang.
func TestDetectionForReal(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand real checks a second")
	}
	victim, err := net.Listen("tcp4", "127.3.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	reals := []config.Real{{Addr: victim.Addr().(*net.TCPAddr).AddrPort(), Weight: 1}}
	reals = append(reals, loopbacks(500, 1, listenAll(t))...)
	reals = append(reals, loopbacks(500, 2, hangAll(t))...)
	d, v := realRig(t, reals)
	until(t, d, "first checks", func(s []ServerStatus) bool {
		return s[0].State == Up && s[1].State == Up && s[500].State == Up && s[501].Result != "" && s[1000].Result != ""
	})
	victim.Close()
	begin := time.Now()
	until(t, d, "detection", func(s []ServerStatus) bool { return s[0].State == Down })
	t.Logf("noticed after %v, the bound is %v", time.Since(begin).Round(time.Millisecond), v.CheckInterval+v.CheckTimeout)
	until(t, d, "the others", func(s []ServerStatus) bool { return s[1].State == Up && s[1000].State == Down })
}

// Benchmark2000ConnectChecks runs 2,000 connect checks a second for ten
// seconds and reports the share of one processor that checker and servers
// take together (they are one process here), and the memory.
func Benchmark2000ConnectChecks(b *testing.B) {
	const seconds = 10
	d, _ := realRig(b, loopbacks(2000, 1, listenAll(b)))
	until(b, d, "first checks", func(s []ServerStatus) bool {
		return s[0].State == Up && s[1999].State == Up
	})
	for b.Loop() {
		before, n := cpu(), checksDone(b, d)
		time.Sleep(seconds * time.Second)
		b.ReportMetric(100*(cpu()-before).Seconds()/seconds, "%cpu")
		b.ReportMetric(float64(checksDone(b, d)-n)/seconds, "checks/s")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys-m.HeapReleased)/(1<<20), "MiB")
	b.ReportMetric(0, "ns/op")
}

func cpu() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func checksDone(b *testing.B, d *Director) (n uint64) {
	s, err := d.Status(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range s.Services[0].Servers {
		n += r.ChecksOK
	}
	return n
}
