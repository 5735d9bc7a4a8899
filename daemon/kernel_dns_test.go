//go:build kernel

package daemon

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// TestDNSPairOnIPVS: two name servers by TCP and UDP, each in its turn, one,
// none and both again, with one that has another record than the file wants.
func TestDNSPairOnIPVS(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		dnsPair(t, dataplane.Masq)
	}
}

func TestDNSPairOnIPVSGate(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		dnsPair(t, dataplane.Gate)
	}
}

const dnsCF = `checktimeout=3
checkinterval=1
quiescent=no
managesysctl=yes
interface=eth0
fallback=sorry
virtual=%VIP%:53
	protocol=tcp
	real=10.0.0.110:53 %METHOD%
	real=10.0.0.120:53 %METHOD%
	service=dns
	request="www.zone.test"
	receive="^10\.1\.0\."
	scheduler=rr
virtual=%VIP%:53
	protocol=udp
	real=10.0.0.110:53 %METHOD%
	real=10.0.0.120:53 %METHOD%
	service=dns
	request="www.zone.test"
	receive="^10\.1\.0\."
	scheduler=rr
`

func dnsPair(t *testing.T, method dataplane.Forward) {
	t.Helper()
	c := newCluster(t, networks["IPv4"], method)
	rs1, rs2 := c.newDNSServer(0, "10.1.0.1"), c.newDNSServer(1, "10.1.0.2")
	c.director(dnsCF)
	c.resolves("both well", "10.1.0.1", "10.1.0.2")
	rs1.stop()
	c.resolves("rs1 stopped", "10.1.0.2")
	rs1 = c.newDNSServer(0, "10.9.9.9")
	c.resolves("rs1 with another record", "10.1.0.2")
	rs2.stop()
	c.resolves("rs2 stopped", "RCodeServerFailure")
	rs1.stop()
	c.newDNSServer(0, "10.1.0.1")
	c.newDNSServer(1, "10.1.0.2")
	c.resolves("both back", "10.1.0.1", "10.1.0.2")
}

// resolves waits until clients by each protocol get these answers, and no
// others.
func (c *cluster) resolves(event string, want ...string) {
	c.t.Helper()
	for _, network := range []string{"tcp", "udp"} {
		got := wait.For(c.t, fmt.Sprintf("%s, %s %s: the client gets %q", c.method, network, event, want), func() (got []string, ok bool) {
			for range 4 {
				got = append(got, c.resolve(network))
			}
			return got, slices.Equal(slices.Compact(slices.Sorted(slices.Values(got))), want)
		})
		c.t.Logf("%s, %s %s: %s", c.method, network, event, strings.Join(got, " "))
	}
}

// resolve asks the VIP for an address once, and returns it, or why there is
// none.
func (c *cluster) resolve(network string) string {
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Second)
	defer cancel()
	conn, err := c.client.Dial(ctx, network, netip.AddrPortFrom(c.vip, 53).String())
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("www.zone.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	query, err := m.Pack()
	if err == nil {
		err = sendDNS(conn, query, network == "tcp")
	}
	if err != nil {
		return err.Error()
	}
	reply, err := receiveDNS(conn, network == "tcp")
	if err != nil {
		return err.Error()
	}
	if err := m.Unpack(reply); err != nil {
		return err.Error()
	}
	if len(m.Answers) != 1 {
		return m.RCode.String()
	}
	return netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A).String()
}

// A dnsServer answers every question with one address, on port 53.
type dnsServer struct {
	tcp net.Listener
	udp []net.PacketConn
	a   [4]byte
}

// newDNSServer starts one on a real server. It has a socket for UDP on each
// address, as name servers do: one on all of them would answer from the real
// server's own address what was asked of the VIP.
func (c *cluster) newDNSServer(i int, record string) *dnsServer {
	c.t.Helper()
	in, addrs := c.servers[i].in, []netip.Addr{c.servers[i].addr}
	if c.method == dataplane.Gate {
		addrs = append(addrs, c.vip)
	}
	tcp, err := in.Listen("tcp", ":53")
	c.must(err)
	s := &dnsServer{tcp: tcp, a: netip.MustParseAddr(record).As4()}
	c.t.Cleanup(s.stop)
	for _, a := range addrs {
		udp, err := in.ListenPacket("udp4", netip.AddrPortFrom(a, 53).String())
		c.must(err)
		s.udp = append(s.udp, udp)
		go s.datagrams(udp)
	}
	go s.streams()
	return s
}

func (s *dnsServer) stop() {
	_ = s.tcp.Close()
	for _, c := range s.udp {
		_ = c.Close()
	}
}

func (s *dnsServer) streams() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if query, err := receiveDNS(conn, true); err == nil {
				_ = sendDNS(conn, s.answer(query), true)
			}
		}()
	}
}

func (s *dnsServer) datagrams(c net.PacketConn) {
	b := make([]byte, 512)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(s.answer(b[:n]), from)
	}
}

func (s *dnsServer) answer(query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response = true
	m.Additionals = nil
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
		Body:   &dnsmessage.AResource{A: s.a},
	}}
	b, err := m.Pack()
	if err != nil {
		panic(fmt.Sprintf("an answer that cannot be packed: %v", err))
	}
	return b
}

// sendDNS sends a message, with its length in front in a stream.
func sendDNS(conn net.Conn, message []byte, stream bool) error {
	if stream {
		message = slices.Concat(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message)
	}
	_, err := conn.Write(message)
	return err
}

// receiveDNS reads a message.
func receiveDNS(conn net.Conn, stream bool) ([]byte, error) {
	if !stream {
		b := make([]byte, 512)
		n, err := conn.Read(b)
		return b[:n], err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, b)
	return b, err
}
