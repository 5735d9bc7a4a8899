package dgram

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

var anyProxy = screen.NewRules([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, nil)

func TestNamedClients(t *testing.T) {
	var r namedClients
	who := func(port uint16) virtual.Parties {
		return virtual.Parties{Client: netip.AddrPortFrom(netip.IPv6Loopback(), port)}
	}
	r.hold(0)
	r.release(0)
	a, b := r.add(who(1)), r.add(who(2))
	if a == 0 || b == 0 || a == b || *r.at(a) != who(1) || *r.at(b) != who(2) {
		t.Fatalf("%d is %v, %d is %v", a, *r.at(a), b, *r.at(b))
	}
	if again := r.add(who(1)); again != a {
		t.Errorf("%d is %d now", a, again)
	}
	r.release(a)
	if *r.at(a) != who(1) {
		t.Error("one who is held is gone")
	}
	r.release(a)
	r.hold(b)
	r.release(b)
	if c := r.add(who(3)); c != a || *r.at(b) != who(2) {
		t.Errorf("%d for the next, want %d, and %v", c, a, *r.at(b))
	}
	if len(r.entries) != 3 || len(r.numbers) != 2 {
		t.Errorf("%d entries, %d numbers", len(r.entries), len(r.numbers))
	}
}

// TestRunsWithHeaders: the datagrams of runs, which the kernel hands over as one,
// arrive each with a header, and are read so.
func TestRunsWithHeaders(t *testing.T) {
	far := newServedFixture(t, virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, ProxyProtocol: 2}})
	c := far.client()
	var want []string
	run := []byte{}
	for i := range 40 {
		d := strings.Repeat(string(rune('a'+i%26)), 100)
		if i == 39 {
			d = "short"
		}
		want = append(want, d)
		run = append(run, d...)
	}
	sendRun(t, c, run, 100)
	for i := range want {
		b, _ := far.read(far.server)
		h, n, err := proxyheader.ParseDatagram(b)
		if err != nil || !h.Datagram || h.Source != addrOf(c) || string(b[n:]) != want[i] {
			t.Fatalf("datagram %d: %+v %q (%v), want %q from %v", i, h, b, err, want[i], addrOf(c))
		}
	}
}

// TestRunsWithHeadersAreRead: a trusted proxy sends runs for alternating clients.
func TestRunsWithHeadersAreRead(t *testing.T) {
	q := newServedFixture(t, virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}, Trusted: anyProxy})
	c := q.client()
	var run []byte
	var want []string
	const clients = 3
	for i := range 30 {
		who := virtual.Parties{Client: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i%clients)), Dest: netip.MustParseAddrPort("192.0.2.2:53")}
		d := strings.Repeat(string(rune('a'+i)), 50)
		want = append(want, d)
		run = append(append(run, who.Header(nil, 2, true)...), d...)
	}
	sendRun(t, c, run, len(run)/30)
	var got []string
	from := map[netip.AddrPort]bool{}
	for range want {
		b, a := q.read(q.server)
		got, from[a] = append(got, string(b)), true
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if len(from) != clients || q.flows() != clients {
		t.Errorf("%d flows from %d ports, want %d", q.flows(), len(from), clients)
	}
	if n := len(q.h.flows.named.numbers); n != clients {
		t.Errorf("%d are registered", n)
	}
	for a := range from {
		_, err := q.server.WriteToUDPAddrPort([]byte("reply"), a)
		q.Must(err)
		if b, _ := q.read(c); string(b) != "reply" {
			t.Errorf("the proxy got %q", b)
		}
	}
	q.h.closePort(q.port.fd)
	if n := len(q.h.flows.named.numbers); n != 0 {
		t.Errorf("%d are registered when all is over", n)
	}
}

type servedFixture struct {
	*fixture
	server *net.UDPConn
}

func newServedFixture(t *testing.T, s virtual.Settings) servedFixture {
	t.Helper()
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	q := newFixture(t, "127.0.0.1", 100, addrOf(server))
	q.service.Addr = q.vip
	q.service.Set(s)
	return servedFixture{q, server}
}

// sendRun sends b as a run that the kernel splits.
func sendRun(t *testing.T, c *net.UDPConn, b []byte, segment int) {
	t.Helper()
	var k control
	n := k.segments(0, uint16(segment))
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(k[i/8] >> (i % 8 * 8))
	}
	if _, _, err := c.WriteMsgUDPAddrPort(b, raw, netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
}

// TestDatagramHeadersAllocateNothing: a datagram with a header to a real server
// allocates nothing.
func TestDatagramHeadersAllocateNothing(t *testing.T) {
	q := newServedFixture(t, virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, ProxyProtocol: 2}})
	c := q.client()
	b := make([]byte, 1000)
	once := func() {
		_, _ = c.Write(b[:1])
		q.Worker.Iterate(100)
		_, _ = q.server.Read(b)
	}
	once()
	if n := testing.AllocsPerRun(100, once); n > 0 {
		t.Errorf("%v allocations for a datagram", n)
	}
}
