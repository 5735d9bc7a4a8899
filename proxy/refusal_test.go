package proxy_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// A pair is two servers of a service that gives a client's host to one of them.
type pair struct {
	d     *proxy.Dataplane
	v     dataplane.VirtualService
	chose string // the name of the one
	other string
	at    netip.AddrPort // of the one
	stop  func()
}

// newPair finds out by client which is the one.
func newPair(t *testing.T, set func(*dataplane.VirtualService)) (*pair, *net.UDPConn) {
	t.Helper()
	p := &pair{d: newPlane(t, proxy.Options{})}
	a, stopA := udpServer(t, "127.0.0.1", named("A"))
	b, stopB := udpServer(t, "127.0.0.1", named("B"))
	p.v = udpService(t, a, b)
	set(&p.v)
	apply(t, p.d, p.v)
	c := dialUDP(t, p.v)
	p.chose, p.other, p.at, p.stop = exchange(t, c, ""), "B", a, stopA
	if p.chose == "B" {
		p.other, p.at, p.stop = "A", b, stopB
	}
	return p, c
}

// refuse makes the one refuse datagrams of c.
func (p *pair) refuse(t *testing.T, c net.Conn) {
	t.Helper()
	before := status(t, p.d).Counters.Failures
	send(t, c, "late")
	wait.Until(t, "the refusal is counted", func() bool { return status(t, p.d).Counters.Failures > before })
}

// listen makes the one listen again.
func (p *pair) listen(t *testing.T) {
	t.Helper()
	again := get[net.PacketConn](t)(net.ListenPacket("udp", p.at.String()))
	t.Cleanup(func() { _ = again.Close() })
	go func() {
		for b := make([]byte, 100); ; {
			_, from, err := again.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = again.WriteTo([]byte(p.chose), from)
		}
	}()
}

var tied = map[string]func(*dataplane.VirtualService){
	"sh":          func(v *dataplane.VirtualService) { v.Scheduler = "sh" },
	"persistence": func(v *dataplane.VirtualService) { v.Persistent, v.PersistentBits = time.Minute, 32 },
}

// A server that ends one client's exchange and listens again, as iperf3 does
// between tests, is still the one that the client's host has.
func TestEndedExchange(t *testing.T) {
	for name, set := range tied {
		t.Run(name, func(t *testing.T) {
			p, c := newPair(t, set)
			p.stop()
			p.refuse(t, c)
			if got := exchange(t, c, ""); got != p.other {
				t.Errorf("after the refusal %s answers, want %s", got, p.other)
			}
			p.listen(t)
			if got := exchange(t, dialUDP(t, p.v), ""); got != p.chose {
				t.Errorf("the next client of the same host has %s, want %s", got, p.chose)
			}
			if got := exchange(t, c, ""); got != p.other {
				t.Errorf("the flow has gone from %s to %s", p.other, got)
			}
		})
	}
}

// A server that refuses who was never answered is passed over for everybody, and
// persistence then ties the host to another.
func TestRefusedForEverybody(t *testing.T) {
	for name, set := range tied {
		t.Run(name, func(t *testing.T) {
			p, _ := newPair(t, set)
			p.stop()
			p.refuse(t, dialUDP(t, p.v))
			p.listen(t)
			for range 3 {
				if got := exchange(t, dialUDP(t, p.v), ""); got != p.other {
					t.Errorf("after the refusal %s answers, want %s", got, p.other)
				}
			}
		})
	}
}

// TestDivertedAndRefused: the refusal of a client that was diverted to another server
// says nothing about that server: it may not know the exchange.
func TestDivertedAndRefused(t *testing.T) {
	p, c := newPair(t, tied["sh"])
	elsewhere := func() string {
		// Some host is given to the other one.
		for i := 2; i < 250; i++ {
			from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, byte(i))}
			o := get[*net.UDPConn](t)(net.DialUDP("udp", from, net.UDPAddrFromAddrPort(p.v.ID.Addr)))
			_ = o.SetDeadline(time.Now().Add(patience))
			got := exchange(t, o, "")
			_ = o.Close()
			if got == p.other {
				return from.IP.String()
			}
		}
		t.Fatal("all hosts have the same server")
		return ""
	}()
	// The other one is replaced by a service's port that nobody has.
	v := p.v.Clone()
	for i, r := range v.RealServers {
		if r.Addr != p.at {
			v.RealServers[i].Addr = process.FreeAddr(t)
			p.v = v
		}
	}
	apply(t, p.d, v)
	p.stop()
	p.refuse(t, c) // by the one
	p.refuse(t, c) // by the other
	late := p.v.RealServers[0].Addr
	if late == p.at {
		late = p.v.RealServers[1].Addr
	}
	other := get[net.PacketConn](t)(net.ListenPacket("udp", late.String()))
	defer other.Close()
	p.listen(t)
	from := &net.UDPAddr{IP: net.ParseIP(elsewhere)}
	o := get[*net.UDPConn](t)(net.DialUDP("udp", from, net.UDPAddrFromAddrPort(p.v.ID.Addr)))
	defer o.Close()
	send(t, o, "mine")
	_ = other.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 10)
	if n, _, err := other.ReadFrom(b); string(b[:max(n, 0)]) != "mine" {
		t.Errorf("the server of another host got %q, %v", b[:max(n, 0)], err)
	}
}
