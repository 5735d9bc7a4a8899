package proxy_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/proxy"
)

// A wire is a client and a real server at two ends of the director, with frames
// of 1500 bytes between them.
type wire struct {
	client, server *netlab.Namespace
	vip, real      netip.Addr
}

func newWire(t *testing.T, six bool) *wire {
	t.Helper()
	lab := netlab.Test(t)
	w := &wire{}
	w.client = get[*netlab.Namespace](t)(lab.Namespace("client"))
	w.server = get[*netlab.Namespace](t)(lab.Namespace("server"))
	director := get[*netlab.Namespace](t)(lab.Here("director"))
	front, back := "front4", "back4"
	nets := [4]string{"10.1.0.1/24", "10.1.0.2/24", "10.2.0.1/24", "10.2.0.2/24"}
	if six {
		front, back = "front6", "back6"
		nets = [4]string{"fd00:1::1/64", "fd00:1::2/64", "fd00:2::1/64", "fd00:2::2/64"}
	}
	must(t, lab.Connect(end(director, front, nets[0]), end(w.client, "eth0", nets[1])))
	must(t, lab.Connect(end(director, back, nets[2]), end(w.server, "eth0", nets[3])))
	w.vip, w.real = netip.MustParsePrefix(nets[0]).Addr(), netip.MustParsePrefix(nets[3]).Addr()
	return w
}

// TestDatagramsOverWires has datagrams of all sizes, and runs of them, go both
// ways over links on which the larger ones are fragmented.
func TestDatagramsOverWires(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	for _, six := range []bool{false, true} {
		w := newWire(t, six)
		for i, set := range []func(*dataplane.VirtualService){
			func(*dataplane.VirtualService) {},
			func(v *dataplane.VirtualService) { v.OnePacket = true },
			func(v *dataplane.VirtualService) { v.ProxyProtocol = 2 },
			func(v *dataplane.VirtualService) {
				v.ID.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), v.ID.Addr.Port())
				if six {
					v.ID.Addr = netip.AddrPortFrom(netip.IPv6Unspecified(), v.ID.Addr.Port())
				}
			},
		} {
			t.Run(fmt.Sprintf("six %t/%d", six, i), func(t *testing.T) {
				d := newPlane(t, proxy.Options{})
				s := get[net.PacketConn](t)(w.server.ListenPacket("udp", net.JoinHostPort(w.real.String(), "0"))).(*net.UDPConn)
				t.Cleanup(func() { _ = s.Close() })
				v := serviceAt(dataplane.UDP, netip.AddrPortFrom(w.vip, 5353), netip.MustParseAddrPort(s.LocalAddr().String()))
				set(&v)
				apply(t, d, v)
				c := get[net.Conn](t)(w.client.Dial(t.Context(), "udp", netip.AddrPortFrom(w.vip, 5353).String())).(*net.UDPConn)
				t.Cleanup(func() { _ = c.Close() })
				for _, one := range []*net.UDPConn{c, s} {
					_ = one.SetDeadline(time.Now().Add(patience))
					_ = one.SetReadBuffer(4 << 20)
				}
				e := exchangeOver{t, c, s, v.ProxyProtocol != 0}
				e.both(5)
				for _, size := range []int{1, 100, 1400, 1445, 1452, 1453, 1472, 1473, 1500, 3000, 9000, 30000} {
					e.both(size)
					e.both(size, size, size)
					e.both(size, size, size/2, size, 7)
				}
				e.both(65000)
				for _, size := range []int{50, 1400, 1452} { // which fit into a frame of either family
					e.run(size, 20)
					e.run(1, 1)
				}
				want := status(t, d).Counters
				if want.Failures != 0 || want.Refused != 0 || active(t, d) != 1 {
					t.Errorf("%+v and %d flows, want one and nothing refused", want, active(t, d))
				}
			})
		}
	}
}

type exchangeOver struct {
	t       *testing.T
	c, s    *net.UDPConn
	letters bool
}

// both sends datagrams of these sizes there at once, and back.
func (e exchangeOver) both(sizes ...int) {
	e.t.Helper()
	e.burst(e.c, nil, sizes)
	from := e.want(sizes)
	e.burst(e.s, from, sizes)
	for i, size := range sizes {
		b := make([]byte, 1<<16)
		if n, err := e.c.Read(b); err != nil || string(b[:n]) != string(patterned(i, size)) {
			e.t.Fatalf("answer %d of %v has %d bytes, %v", i, sizes, n, err)
		}
	}
}

// run sends a run that the kernel of the client cuts up.
func (e exchangeOver) run(size, count int) {
	e.t.Helper()
	var all []byte
	var sizes []int
	for i := range count {
		all, sizes = append(all, patterned(i, size)...), append(sizes, size)
	}
	segment := func(n int) {
		raw := get[interface{ Control(func(uintptr)) error }](e.t)(e.c.SyscallConn())
		must(e.t, raw.Control(func(fd uintptr) { must(e.t, unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, n)) }))
	}
	segment(size)
	send(e.t, e.c, string(all))
	segment(0)
	e.want(sizes)
}

func (e exchangeOver) want(sizes []int) (from net.Addr) {
	e.t.Helper()
	for i, size := range sizes {
		b := make([]byte, 1<<16)
		n, a, err := e.s.ReadFrom(b)
		if err != nil {
			e.t.Fatalf("datagram %d of %v: %v", i, sizes, err)
		}
		b, from = b[:n], a
		if e.letters {
			h, k, err := proxyheader.ParseDatagram(b)
			if err != nil || h.Source.String() != e.c.LocalAddr().String() {
				e.t.Errorf("the header names %v, %v", h.Source, err)
			}
			b = b[k:]
		}
		if string(b) != string(patterned(i, size)) {
			e.t.Fatalf("datagram %d of %v has %d bytes", i, sizes, len(b))
		}
	}
	return from
}

func (e exchangeOver) burst(c *net.UDPConn, to net.Addr, sizes []int) {
	e.t.Helper()
	var all []ipv6.Message
	for i, size := range sizes {
		all = append(all, ipv6.Message{Buffers: [][]byte{patterned(i, size)}, Addr: to})
	}
	for p := ipv6.NewPacketConn(c); len(all) > 0; {
		all = all[get[int](e.t)(p.WriteBatch(all, 0)):]
	}
}

func patterned(i, size int) []byte {
	b := make([]byte, size)
	for k := range b {
		b[k] = byte(i*31 + k*7)
	}
	return b
}
