package wire_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/wire"
)

// A toyProxy carries one connection after the other, as wrong as a test wants.
type toyProxy struct {
	choose func(n int) int // -1: nobody
	delay  time.Duration   // of what comes, both ways
}

// run starts the proxy on the site's director.
func (p toyProxy) run(t *testing.T, s *site, v wire.Service) {
	t.Helper()
	ln, err := s.director.Listen("tcp", v.Addr.String())
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.carry(t, s, v, c, p.choose(n))
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
}

func (p toyProxy) carry(t *testing.T, s *site, v wire.Service, c net.Conn, real int) {
	defer c.Close()
	if real < 0 {
		_, _ = io.CopyN(c, c, 17) // answers by itself
		return
	}
	b, err := s.director.Dial(t.Context(), "tcp", v.Reals[real].Addr.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer b.Close()
	var both sync.WaitGroup
	both.Go(func() { p.pass(b, c) })
	both.Go(func() { p.pass(c, b) })
	both.Wait()
}

// pass sends on what comes until the end, and the end.
func (p toyProxy) pass(to, from net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		time.Sleep(p.delay)
		if n > 0 {
			_, _ = to.Write(buf[:n])
		}
		if err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// TestBrokenProxy: with a proxy, too, each measure finds the fault that it is
// for.
func TestBrokenProxy(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	s.echo(t, 8080)
	must(t, s.director.AddVIP("eth0", vip4.Addr()))
	v := s.service(t, wire.Proxy, "tcp", false, 1, 1, 1)
	for _, c := range []struct {
		name    string
		proxy   toyProxy
		verdict string
		latency float64 // at least, seconds
	}{
		{"right", toyProxy{choose: func(n int) int { return n % 3 }}, "ok", 0},
		{"one elsewhere", toyProxy{choose: func(n int) int { return (n + n/29) % 3 }}, "connection 30 of 30 went to real server 0, by the rule it is for 2", 0},
		{"one nowhere", toyProxy{choose: nowhere}, "1 connections lost in the director", 0},
		{"slow", toyProxy{choose: func(n int) int { return n % 3 }, delay: 5 * time.Millisecond}, "ok", 0.005},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.proxy.run(t, s, v)
			o := s.watch(t, v, func() { s.visit(t, v.Addr, 30) })
			got := o.Scheduler("toy", "rr")
			said(t, "scheduler", got.Verdict, c.verdict)
			said(t, "rewrite", o.Rewrite("toy").Verdict, "ok")
			if q := got.Added[0]; q.Seconds <= c.latency {
				t.Errorf("median of the added latency %v", q)
			}
		})
	}
}

func nowhere(n int) int {
	if n == 29 {
		return -1
	}
	return n % 3
}

// TestBulkThroughProxy pairs segments of long streams, of whatever sizes they
// are on both sides.
func TestBulkThroughProxy(t *testing.T) {
	onHost(t)
	const size = 4 << 20
	s := newFixture(t)
	must(t, s.director.AddVIP("eth0", vip4.Addr()))
	v := s.service(t, wire.Proxy, "tcp", false, 1)
	ln, err := s.real[0].Listen("tcp", v.Reals[0].Addr.String())
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := ln.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	toyProxy{choose: func(int) int { return 0 }}.run(t, s, v)

	o := s.watch(t, v, func() {
		c, err := s.client.Dial(within(t), "tcp", v.Addr.String())
		must(t, err)
		defer c.Close()
		go func() {
			_, _ = fmt.Fprint(c, strings.Repeat("0123456789abcdef", size/16))
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		if n, err := io.Copy(io.Discard, c); n != size || err != nil {
			t.Errorf("%d bytes came back, %v", n, err)
		}
	})
	got := o.Scheduler("toy", "rr")
	t.Logf("%d packets, added %v", o.Packets(), got.Added)
	if got.Verdict != "ok" || !slices.Equal(got.Got, []uint64{1}) || got.Added[4].Seconds <= 0 {
		t.Errorf("%+v", got)
	}
}
