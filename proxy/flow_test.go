package proxy_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

func udpService(t testing.TB, servers ...netip.AddrPort) dataplane.VirtualService {
	return serviceAt(dataplane.UDP, process.FreeAddr(t), servers...)
}

// udpServer answers each datagram as answer says, until stop is called or the
// test is over.
func udpServer(t testing.TB, host string, answer func(string) []string) (addr netip.AddrPort, stop func()) {
	t.Helper()
	c := get[net.PacketConn](t)(net.ListenPacket("udp", net.JoinHostPort(host, "0")))
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			for _, a := range answer(string(b[:n])) {
				_, _ = c.WriteTo([]byte(a), from)
			}
		}
	}()
	stop = func() { _ = c.Close(); <-done }
	t.Cleanup(stop)
	return netip.MustParseAddrPort(c.LocalAddr().String()), stop
}

func same(s string) []string { return []string{s} }

// named answers with its name before what it was sent.
func named(name string) func(string) []string {
	return func(s string) []string { return []string{name + s} }
}

func dialUDP(t testing.TB, v dataplane.VirtualService) *net.UDPConn {
	t.Helper()
	c := get[net.Conn](t)(net.Dial("udp", v.ID.Addr.String()))
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.UDPConn)
}

func send(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, c net.Conn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func exchange(t testing.TB, c net.Conn, s string) string {
	t.Helper()
	send(t, c, s)
	return receive(t, c)
}

func TestDatagramSizes(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		d := newPlane(t, proxy.Options{})
		server, _ := udpServer(t, host, same)
		v := serviceAt(dataplane.UDP, process.FreeAddrAt(t, host), server)
		apply(t, d, v)
		c := dialUDP(t, v)
		for _, size := range []int{0, 1, 1472, 65507} {
			want := strings.Repeat("x", size)
			if got := exchange(t, c, want); got != want {
				t.Errorf("%s: %d bytes came back for %d", host, len(got), size)
			}
		}
		want := dataplane.Counters{Connections: 1, InPackets: 4, OutPackets: 4, InBytes: 66980, OutBytes: 66980}
		// Datagrams are counted a little after they have arrived.
		wait.Until(t, "it is counted", func() bool { return status(t, d).Counters == want })
	}
}

func TestManyReplies(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	server, _ := udpServer(t, "127.0.0.1", func(s string) []string { return []string{s + "1", s + "2", s + "3"} })
	v := udpService(t, server)
	apply(t, d, v)
	c := dialUDP(t, v)
	send(t, c, "a")
	if got := receive(t, c) + receive(t, c) + receive(t, c); got != "a1a2a3" {
		t.Errorf("replies %q, want a1a2a3", got)
	}
}

// A service on the wildcard address answers from the address it was asked at;
// a connected client does not hear anything else.
func TestWildcardReplies(t *testing.T) {
	for _, tt := range []struct{ wildcard, asked string }{{"0.0.0.0", "127.0.0.55"}, {"::", "::1"}} {
		d := newPlane(t, proxy.Options{})
		server, _ := udpServer(t, "127.0.0.1", same)
		v := serviceAt(dataplane.UDP, process.FreeAddrAt(t, tt.wildcard), server)
		apply(t, d, v)
		v.ID.Addr = netip.AddrPortFrom(netip.MustParseAddr(tt.asked), v.ID.Addr.Port())
		c := dialUDP(t, v)
		for _, s := range []string{"question", ""} {
			if got := exchange(t, c, s); got != s {
				t.Errorf("at %s: answer %q to %q", tt.asked, got, s)
			}
		}
	}
}

func TestFlowKeepsQuiescent(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	a, _ := udpServer(t, "127.0.0.1", named("A"))
	b, _ := udpServer(t, "127.0.0.1", named("B"))
	v := udpService(t, a, b)
	apply(t, d, v)
	c := dialUDP(t, v)
	steps := []struct {
		when   string
		change func()
		want   string
	}{
		{"first", func() {}, "Ax"},
		{"A quiescent", func() { v.RealServers[0].Weight = 0 }, "Ax"},
		{"A removed", func() { v.RealServers = v.RealServers[1:] }, "Bx"},
	}
	for _, step := range steps {
		v = v.Clone()
		step.change()
		apply(t, d, v)
		if got := exchange(t, c, "x"); got != step.want {
			t.Errorf("%s: answer %q, want %q", step.when, got, step.want)
		}
	}
}

// TestFlowRefused: a client whose real server does not listen gets another one next.
func TestFlowRefused(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	a, stop := udpServer(t, "127.0.0.1", named("A"))
	b, _ := udpServer(t, "127.0.0.1", named("B"))
	v := udpService(t, a, b)
	v.Scheduler = "sh" // which would choose the same again
	apply(t, d, v)
	c := dialUDP(t, v)
	other := "B"
	if exchange(t, c, "") == "B" { // found the other way round
		v.RealServers = v.RealServers[:1]
		apply(t, d, v)
		exchange(t, c, "")
		v.RealServers = v.RealServers[:2]
		apply(t, d, v)
	}
	stop()
	before := status(t, d).Counters.Failures
	send(t, c, "lost")
	wait.Until(t, "the refusal is counted", func() bool { return status(t, d).Counters.Failures > before })
	for range 3 {
		if got := exchange(t, c, ""); got != other {
			t.Errorf("after the refusal %q answers, want %q", got, other)
		}
	}
	if n := status(t, d).Counters.Refused; n != 0 {
		t.Errorf("%d refused, want none", n)
	}
}

// With nobody else the one that refused is tried again.
func TestFlowRefusedByAll(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	at := process.FreeAddr(t)
	v := udpService(t, at)
	apply(t, d, v)
	c := dialUDP(t, v)
	send(t, c, "lost")
	wait.Until(t, "the refusal is counted", func() bool { return status(t, d).Counters.Failures == 1 })
	s := get[net.PacketConn](t)(net.ListenPacket("udp", at.String()))
	defer s.Close()
	send(t, c, "again")
	b := make([]byte, 10)
	_ = s.SetDeadline(time.Now().Add(patience))
	if n, _, err := s.ReadFrom(b); string(b[:max(n, 0)]) != "again" {
		t.Errorf("the server that came back got %q, %v", b[:max(n, 0)], err)
	}
}

func TestFlowIdleTimeout(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	server, _ := udpServer(t, "127.0.0.1", same)
	v := udpService(t, server)
	v.IdleTimeout = 100 * time.Millisecond
	apply(t, d, v)
	files := openFiles(t, "socket:")
	exchange(t, dialUDP(t, v), "x")
	wait.Until(t, "the flow is over", func() bool { return active(t, d) == 0 && openFiles(t, "socket:") <= files+1 })
}

func TestFlowLimit(t *testing.T) {
	d := newPlane(t, proxy.Options{Limits: proxy.Limits{Flows: 2}})
	server, _ := udpServer(t, "127.0.0.1", same)
	v := udpService(t, server)
	apply(t, d, v)
	a, b, c := dialUDP(t, v), dialUDP(t, v), dialUDP(t, v)
	for _, at := range []net.Conn{a, b, a, b} {
		exchange(t, at, "hello")
	}
	send(t, c, "too many")
	wait.Until(t, "the third client is refused", func() bool { return status(t, d).Counters.Refused == 1 })
	// An active client makes room after a second of silence; a keeps sending.
	wait.Until(t, "the third client takes the place of the second", func() bool {
		exchange(t, a, "a")
		send(t, c, "c")
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return err == nil
	})
	if n := status(t, d).Counters.Connections; n != 3 {
		t.Errorf("%d flows were made, want 3: the talking one must not be replaced", n)
	}
}

func TestOnePacket(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	a, _ := udpServer(t, "127.0.0.1", named("A"))
	b, _ := udpServer(t, "127.0.0.1", named("B"))
	v := udpService(t, a, b)
	v.OnePacket = true
	apply(t, d, v)
	c := dialUDP(t, v)
	got := ""
	for range 6 {
		got += exchange(t, c, "")
	}
	if got != "ABABAB" {
		t.Errorf("datagrams went to %s, want ABABAB", got)
	}
	if n := active(t, d); n != 2 {
		t.Errorf("%d flows, want one to each real server", n)
	}
}

func TestRemoveEndsFlows(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	server, _ := udpServer(t, "127.0.0.1", same)
	v := udpService(t, server)
	apply(t, d, v)
	c := dialUDP(t, v)
	files := openFiles(t, "socket:")
	exchange(t, c, "x")
	if err := d.Remove(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the sockets are closed", func() bool { return openFiles(t, "socket:") <= files-1 })
	apply(t, d, v)
	if got := exchange(t, c, "y"); got != "y" {
		t.Errorf("a new service answers %q", got)
	}
}

// While draining old flows are answered, new ones are not taken, and the end
// does not wait for long idle timeouts.
func TestDrainFlows(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	server, _ := udpServer(t, "127.0.0.1", same)
	v := udpService(t, server)
	v.IdleTimeout = 700 * time.Millisecond
	apply(t, d, v)
	c := dialUDP(t, v)
	exchange(t, c, "x")
	drained := make(chan error, 1)
	go func() { drained <- d.Drain(t.Context()) }()
	wait.Until(t, "a new client is refused", func() bool {
		send(t, dialUDP(t, v), "x") // those before may have been in time
		return status(t, d).Counters.Refused > 0
	})
	if got := exchange(t, c, "y"); got != "y" {
		t.Errorf("answer %q while draining", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func BenchmarkDatagram(b *testing.B) {
	d := newPlane(b, proxy.Options{})
	server, _ := udpServer(b, "127.0.0.1", same)
	v := udpService(b, server)
	apply(b, d, v)
	c := dialUDP(b, v)
	_ = c.SetDeadline(time.Time{})
	question, answer := []byte(fmt.Sprintf("%064d", 0)), make([]byte, 64)
	for b.Loop() {
		_, _ = c.Write(question)
		if _, err := c.Read(answer); err != nil {
			b.Fatal(err)
		}
	}
}
