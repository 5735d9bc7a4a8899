package dgram

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/engine/enginetest"
	"github.com/shunt-lb/shunt/proxy/internal/table"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A fixture is a harness with one service for datagrams.
type fixture struct {
	*enginetest.Harness
	fwd     *Forwarder
	h       *handler
	service *Service
	port    *port
	vip     netip.AddrPort
}

func newFixture(t testing.TB, at string, limit int, servers ...netip.AddrPort) *fixture {
	t.Helper()
	q := &fixture{}
	q.Harness = enginetest.New(t, func(e *engine.Engine) { q.fwd = New(e, Bounds{Flows: limit}, virtual.NewReporter(e)) })
	q.h = engine.Of[*handler](q.Worker)
	q.service = &Service{Service: virtual.Service{Name: "test", Books: table.New(spec(servers...))}}
	q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}})
	addr := netip.AddrPortFrom(netip.MustParseAddr(at), 0)
	fds, err := engine.Bind(addr, 1, portSocket, false)
	q.Must(err)
	q.Must(q.h.openPort(fds[0], addr, q.service))
	q.port = q.h.portOf(fds[0])
	name := new(engine.Sockaddr)
	engine.NameOf(fds[0], name)
	q.vip = name.Addr()
	return q
}

func spec(servers ...netip.AddrPort) dataplane.VirtualService {
	v := dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: dataplane.UDP}, Scheduler: "rr"}
	for _, addr := range servers {
		v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addr, Weight: 1})
	}
	return v
}

func (q *fixture) flows() int { return int(q.fwd.limiter.Used()) }

// socket is that of a real server.
func (q *fixture) socket(at string) *net.UDPConn {
	q.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(at), 0)))
	q.Must(err)
	q.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadBuffer(4 << 20)
	_ = c.SetDeadline(time.Now().Add(enginetest.Generous))
	return c
}

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func (q *fixture) client() *net.UDPConn {
	q.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(q.vip))
	q.Must(err)
	q.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadBuffer(4 << 20)
	_ = c.SetDeadline(time.Now().Add(enginetest.Generous))
	return c
}

func (q *fixture) write(c *net.UDPConn, b []byte) {
	q.Helper()
	_, err := c.Write(b)
	q.Must(err)
}

// read iterates until there is something to read.
func (q *fixture) read(c *net.UDPConn) (b []byte, from netip.AddrPort) {
	q.Helper()
	b = make([]byte, 1<<16)
	n := -1
	q.Until("something to read", func() bool {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		m, a, err := c.ReadFromUDPAddrPort(b)
		if err == nil {
			n, from = m, a
		}
		return err == nil
	})
	return b[:n], from
}

// ask sends a datagram from a client to the server, and returns its source there.
func (q *fixture) ask(c, s *net.UDPConn, text string) (from netip.AddrPort) {
	q.Helper()
	q.write(c, []byte(text))
	b, from := q.read(s)
	if string(b) != text {
		q.Fatalf("the real server got %q, want %q", b, text)
	}
	return from
}

// reply sends a datagram from the server back to the client.
func (q *fixture) reply(c, s *net.UDPConn, to netip.AddrPort, text string) {
	q.Helper()
	_, err := s.WriteToUDPAddrPort([]byte(text), to)
	q.Must(err)
	if b, _ := q.read(c); string(b) != text {
		q.Fatalf("the client got %q, want %q", b, text)
	}
}

// senders send from as many addresses of loopback as a test asks for.
type senders struct {
	*fixture
	conn     *net.UDPConn
	batches  *ipv4.PacketConn
	messages []ipv4.Message
	next     uint32
}

func (q *fixture) senders() *senders {
	c, err := net.ListenUDP("udp4", nil)
	q.Must(err)
	q.Cleanup(func() { _ = c.Close() })
	s := &senders{fixture: q, conn: c, batches: ipv4.NewPacketConn(c), messages: make([]ipv4.Message, batchSize)}
	for i := range s.messages {
		s.messages[i].Buffers = [][]byte{[]byte("flood")}
		s.messages[i].Addr = net.UDPAddrFromAddrPort(q.vip)
	}
	return s
}

// send sends one datagram from each of n new addresses, a batch at most.
func (s *senders) send(n int) {
	s.Helper()
	for i := range n {
		src := make(net.IP, 4)
		binary.BigEndian.PutUint32(src, 127<<24|1<<20+s.next)
		s.next++
		s.messages[i].OOB = (&ipv4.ControlMessage{Src: src}).Marshal()
	}
	for sent := 0; sent < n; {
		m, err := s.batches.WriteBatch(s.messages[sent:n], 0)
		s.Must(err)
		sent += m
	}
}

// burst sends datagrams of these sizes at once. Each begins with its number.
func (q *fixture) burst(c *net.UDPConn, to netip.AddrPort, sizes []int) {
	q.Helper()
	var messages []ipv6.Message
	for i, size := range sizes {
		m := ipv6.Message{Buffers: [][]byte{numbered(i, size)}}
		if to.IsValid() {
			m.Addr = net.UDPAddrFromAddrPort(to)
		}
		messages = append(messages, m)
	}
	p := ipv6.NewPacketConn(c)
	for len(messages) > 0 {
		n, err := p.WriteBatch(messages, 0)
		q.Must(err)
		messages = messages[n:]
	}
}

func numbered(i, size int) []byte {
	b := make([]byte, size)
	for k := range b {
		b[k] = byte(i + k)
	}
	return b
}

// wantBurst reads what burst has sent, in order.
func (q *fixture) wantBurst(c *net.UDPConn, sizes []int) (from netip.AddrPort) {
	q.Helper()
	for i, size := range sizes {
		b, a := q.read(c)
		if string(b) != string(numbered(i, size)) {
			q.Fatalf("datagram %d of %d has %d bytes, want %d", i, len(sizes), len(b), size)
		}
		from = a
	}
	return from
}

// writeRun sends b as datagrams of so many bytes, which stay together on their
// way through loopback.
func (q *fixture) writeRun(c *net.UDPConn, b []byte, size int) {
	q.Helper()
	raw, err := c.SyscallConn()
	q.Must(err)
	q.Must(raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }))
	q.Must(err)
	q.write(c, b)
}

// refuseRuns makes the kernel split no runs for a socket.
func refuseRuns(fd int32) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
}
