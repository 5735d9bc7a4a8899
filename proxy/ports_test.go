package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// localPorts limits the ports that the kernel chooses from, in the namespace of
// the test.
func localPorts(t *testing.T, n int) {
	t.Helper()
	text := fmt.Sprintf("40000 %d", 40000+n-1)
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// A questioner asks a service from ports of its own that are not among those
// that the kernel chooses from.
type questioner struct {
	t    *testing.T
	vip  netip.AddrPort
	next uint16
}

// client returns one that has asked nothing yet.
func (q *questioner) client() *net.UDPConn {
	q.t.Helper()
	from := netip.MustParseAddr("127.0.9.1")
	if q.vip.Addr().Is6() {
		from = netip.IPv6Loopback()
	}
	q.next++
	return get[*net.UDPConn](q.t)(net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 10000+q.next)), net.UDPAddrFromAddrPort(q.vip)))
}

// answered asks once from a new client.
func (q *questioner) answered(within time.Duration) bool {
	q.t.Helper()
	c := q.client()
	defer c.Close()
	send(q.t, c, "question")
	_ = c.SetReadDeadline(time.Now().Add(within))
	_, err := c.Read(make([]byte, 100))
	return err == nil
}

// ask asks from n clients, each with one question from another port, like a
// resolver. Each has to be answered the first time.
func (q *questioner) ask(n int) {
	q.t.Helper()
	for i := range n {
		if !q.answered(patience) {
			q.t.Fatalf("client %d of %d is not answered", i+1, n)
		}
	}
}

// flood sends datagrams from n clients that get no answer.
func (q *questioner) flood(n int) {
	q.t.Helper()
	for range n {
		c := q.client()
		send(q.t, c, "junk")
		_ = c.Close()
	}
}

// recovers waits until a new client is answered.
func (q *questioner) recovers() {
	q.t.Helper()
	wait.Until(q.t, "a new client is answered", func() bool { return q.answered(100 * time.Millisecond) })
}

// junkOrNot is a real server that answers questions alone.
func junkOrNot(t *testing.T, at string) netip.AddrPort {
	t.Helper()
	c := get[net.PacketConn](t)(net.ListenPacket("udp", at))
	done := make(chan struct{})
	t.Cleanup(func() { _ = c.Close(); <-done })
	go func() {
		defer close(done)
		for b := make([]byte, 100); ; {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if string(b[:n]) == "question" {
				_, _ = c.WriteTo([]byte("answer"), from)
			}
		}
	}()
	return mustAddr(c.LocalAddr().String())
}

// blameless checks that no error of this host was counted against a real server.
func blameless(t *testing.T, d *proxy.Dataplane) {
	t.Helper()
	for _, st := range get[[]dataplane.ServiceStatus](t)(d.Snapshot(t.Context())) {
		if n := st.Counters.Failures; n != 0 {
			t.Errorf("%s: %d failures of real servers, want none", st.Service.ID, n)
		}
	}
}

// However many clients there are and whatever they send, with fewer local ports
// than flows may be, the next one is served, other programs find a port, and no
// real server is blamed.
func TestPortsForFlows(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	tests := []struct {
		name   string
		ports  int
		loops  int
		limits proxy.Limits
		at     string
		set    func(v *dataplane.VirtualService)
	}{
		{"default", 200, 2, proxy.Limits{}, "127.0.0.1", nil},
		{"configured above", 200, 2, proxy.Limits{Flows: 1000}, "127.0.0.1", nil},
		{"configured below", 200, 2, proxy.Limits{Flows: 50}, "127.0.0.1", nil},
		{"very few", 5, 1, proxy.Limits{}, "127.0.0.1", nil},
		{"many", 2000, 2, proxy.Limits{}, "127.0.0.1", nil},
		{"IPv6", 200, 2, proxy.Limits{}, "::1", nil},
		{"transparent", 200, 2, proxy.Limits{}, "127.0.0.1", func(v *dataplane.VirtualService) { v.Transparent = true }},
		{"one packet", 200, 2, proxy.Limits{}, "127.0.0.1", func(v *dataplane.VirtualService) { v.OnePacket = true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			localPorts(t, tt.ports)
			d := newPlane(t, proxy.Options{Limits: tt.limits, Workers: tt.loops})
			var servers []netip.AddrPort
			for i := range 2 {
				servers = append(servers, junkOrNot(t, net.JoinHostPort(tt.at, fmt.Sprint(5301+i))))
			}
			v := serviceAt(dataplane.UDP, netip.AddrPortFrom(netip.MustParseAddr(tt.at), 5300), servers...)
			if tt.set != nil {
				tt.set(&v)
			}
			apply(t, d, v)
			q := &questioner{t: t, vip: v.ID.Addr}
			q.ask(2*tt.ports + 50)
			if l := d.Load().Flows; l.Limit >= int64(tt.ports) || l.Used > l.Limit+2 {
				t.Errorf("%+v with %d ports, want fewer, and some left for others", l, tt.ports)
			}
			c, err := net.Dial("udp", servers[0].String())
			if err != nil {
				t.Errorf("another program: %v", err)
			} else {
				_ = c.Close()
			}
			q.flood(2 * tt.ports)
			q.recovers()
			time.Sleep(300 * time.Millisecond) // nothing has answered the flood by then
			q.ask(20)
			blameless(t, d)
		})
	}
}

// Where the ports are not to be had though they are in the range, flows give
// way until one is: others may have them, they may be reserved, or the range
// may have become another.
func TestPortsOfOthers(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	localPorts(t, 400)
	var log recorder
	d := newPlane(t, proxy.Options{Workers: 1, Log: log.logger()})
	v := serviceAt(dataplane.UDP, mustAddr("127.0.0.1:5300"), junkOrNot(t, "127.0.0.1:5301"))
	apply(t, d, v)
	q := &questioner{t: t, vip: v.ID.Addr}
	q.ask(100)
	var others []net.Conn
	for range 400 {
		c, err := net.Dial("udp", "127.0.0.1:9")
		if err != nil {
			break
		}
		others = append(others, c)
	}
	t.Logf("others have %d of 400 ports", len(others))
	q.ask(300)
	q.flood(300)
	q.recovers()
	blameless(t, d)
	for _, c := range others {
		_ = c.Close()
	}
	wait.Until(t, "the limit is that of the ports again", func() bool {
		q.ask(1)
		return d.Load().Flows.Limit == 350
	})
	q.ask(400) // more flows than the next range has ports
	localPorts(t, 20)
	q.recovers()
	wait.Until(t, "the limit is that of the new range", func() bool { return d.Load().Flows.Limit < 20 })
	wait.Until(t, "flows with other ports are gone", func() bool { q.recovers(); return d.Load().Flows.Used < 20 })
	q.ask(100)
	localPorts(t, 1000)
	wait.Until(t, "the limit is that of the wide range", func() bool { return d.Load().Flows.Limit > 500 })
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_reserved_ports", []byte("40000-40799,40801"), 0); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "reserved ports do not count", func() bool { return d.Load().Flows.Limit < 200 })
	q.ask(400)
	blameless(t, d)
}

// A flood on one service leaves the others their part of the flows, without one
// datagram lost.
func TestFlowsOfOtherServices(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	localPorts(t, 400)
	d := newPlane(t, proxy.Options{Workers: 1})
	var qs []*questioner
	for i := range 4 {
		v := serviceAt(dataplane.UDP, netip.AddrPortFrom(mustAddr("127.0.0.1:1").Addr(), uint16(5300+2*i)),
			junkOrNot(t, fmt.Sprintf("127.0.0.1:%d", 5301+2*i)))
		apply(t, d, v)
		qs = append(qs, &questioner{t: t, vip: v.ID.Addr, next: uint16(5000 * i)})
	}
	for range 5 {
		qs[0].flood(400)
		for _, q := range qs[1:] {
			q.ask(8)
		}
	}
	if l := d.Load().Flows; l.Used < l.Limit/2 {
		t.Errorf("%+v: the flood has not got what nobody else needs", l)
	}
	blameless(t, d)
}

// Connections to one real server are as many as there are ports. The next
// client goes to another one, or is refused with the reason in the log; no real
// server is blamed, and there is room again when others end.
func TestPortsForConnections(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	const ports = 100
	localPorts(t, ports)
	for _, servers := range []int{1, 2} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			var log recorder
			d := newPlane(t, proxy.Options{Workers: 1, Log: log.logger()})
			var addrs []netip.AddrPort
			for i := range servers {
				ln := get[net.Listener](t)(net.Listen("tcp", fmt.Sprintf("127.0.0.%d:8080", 2+i)))
				serveTCP(t, ln, says("hi"))
				addrs = append(addrs, mustAddr(ln.Addr().String()))
			}
			v := serviceAt(dataplane.TCP, mustAddr("127.0.0.1:8080"), addrs...)
			apply(t, d, v)
			dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 9, 1)}}
			next := 10000 * servers
			exchangeAs := func() (net.Conn, error) {
				next++
				dialer.LocalAddr.(*net.TCPAddr).Port = next
				c, err := dialer.Dial("tcp", v.ID.Addr.String())
				if err == nil {
					_ = c.SetDeadline(time.Now().Add(patience))
					if _, err = io.ReadFull(c, make([]byte, 2)); err != nil {
						_ = c.Close()
					}
				}
				return c, err
			}
			var held []net.Conn
			for range servers * ports {
				c, err := exchangeAs()
				if err != nil {
					t.Fatalf("client %d of %d: %v", len(held)+1, servers*ports, err)
				}
				held = append(held, c)
			}
			for range 5 {
				if _, err := exchangeAs(); !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("a client beyond the ports got %v, want a reset", err)
				}
			}
			if n := status(t, d).Counters.Refused; n != 5 {
				t.Errorf("%d refused, want 5", n)
			}
			wait.Until(t, "the log says why", func() bool { return log.count("this host cannot reach a real server") == 1 })
			blameless(t, d)
			for _, c := range held[:10] {
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
			wait.Until(t, "there is room again", func() bool {
				c, err := exchangeAs()
				if err == nil {
					_ = c.(*net.TCPConn).SetLinger(0) // no port is left in TIME_WAIT
					_ = c.Close()
				}
				return err == nil
			})
			for _, c := range held[10:] {
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
			wait.Until(t, "all are gone", func() bool { return d.Load().Connections.Used == 0 })
		})
	}
}

// That this host has no way to a real server is not counted against it, and the
// others are taken.
func TestNoWayToARealServer(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	for kind, rule := range map[string]string{
		"no route": "", "unreachable": "unreachable", "prohibited": "prohibit", "black hole": "blackhole",
	} {
		t.Run(kind, func(t *testing.T) {
			if rule != "" {
				route(t, "add", rule, "10.9.0.0/16")
				defer route(t, "del", rule, "10.9.0.0/16")
			}
			d := newPlane(t, proxy.Options{Workers: 1})
			u := serviceAt(dataplane.UDP, mustAddr("127.0.0.1:5300"), mustAddr("10.9.0.1:5301"), junkOrNot(t, "127.0.0.1:5301"))
			ln := get[net.Listener](t)(net.Listen("tcp", "127.0.0.1:8081"))
			serveTCP(t, ln, says("hi"))
			v := serviceAt(dataplane.TCP, mustAddr("127.0.0.1:8080"), mustAddr("10.9.0.1:80"), mustAddr("127.0.0.1:8081"))
			apply(t, d, u)
			apply(t, d, v)
			(&questioner{t: t, vip: u.ID.Addr}).ask(10)
			for range 10 {
				wantAnswer(t, v, "hi")
			}
			blameless(t, d)
		})
	}
}

// A route that goes while a flow uses it is no fault of the real server either.
func TestRouteGoes(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	route(t, "add", "local", "10.9.0.0/16", "dev", "lo")
	d := newPlane(t, proxy.Options{Workers: 1})
	server := junkOrNot(t, "10.9.0.1:5301")
	v := serviceAt(dataplane.UDP, mustAddr("127.0.0.1:5300"), server, junkOrNot(t, "127.0.0.1:5301"))
	apply(t, d, v)
	q := &questioner{t: t, vip: v.ID.Addr}
	var clients []*net.UDPConn
	for range 10 {
		c := q.client()
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		send(t, c, "question")
		receive(t, c)
		clients = append(clients, c)
	}
	route(t, "del", "local", "10.9.0.0/16")
	route(t, "add", "unreachable", "10.9.0.0/16")
	for _, c := range clients {
		send(t, c, "question")
		receive(t, c)
	}
	blameless(t, d)
}

func route(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", append([]string{"route"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ip route %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
