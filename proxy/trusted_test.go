package proxy_test

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

var (
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	alice    = [2]netip.AddrPort{mustAddr("192.0.2.7:1234"), mustAddr("198.51.100.1:443")}
	bob      = [2]netip.AddrPort{mustAddr("[2001:db8::7]:1234"), mustAddr("[2001:db8::1]:443")}
)

func header(version int, who [2]netip.AddrPort) string {
	if version == 1 {
		return string(proxyheader.Append1(nil, who[0], who[1]))
	}
	return string(proxyheader.Append2(nil, who[0], who[1], false))
}

// trusting is a service in front of servers that are told who the client is.
func trusting(t testing.TB, host string) (*proxy.Dataplane, dataplane.VirtualService) {
	t.Helper()
	d := newPlane(t, proxy.Options{})
	v := serviceAt(dataplane.TCP, process.FreeAddrAt(t, host), dead(t), tcpServer(t, "127.0.0.1", greets(t)))
	v.ProxyProtocol, v.TrustedProxies = 2, loopback
	apply(t, d, v)
	return d, v
}

// TestTrustedProxyNamesTheClient: the real server sees the client alice, however
// the header arrives, even after a server that could not be reached.
func TestTrustedProxyNamesTheClient(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		d, v := trusting(t, host)
		for _, who := range [][2]netip.AddrPort{alice, bob} {
			for version := 1; version <= 2; version++ {
				want := who[0].String() + " to " + who[1].String() + "\npayload"
				all := header(version, who) + "payload"
				c := dial(t, v)
				send(t, c, all)
				wantStart(t, c, want)

				c = dial(t, v)
				for i := range len(all) {
					send(t, c, all[i:i+1])
				}
				wantStart(t, c, want)
			}
		}
		if n := status(t, d).Counters.MissingProxyHeader; n != 0 {
			t.Errorf("%d clients had no PROXY header", n)
		}
	}
}

// An end right behind the header is passed on.
func TestEndBehindTheHeader(t *testing.T) {
	_, v := trusting(t, "127.0.0.1")
	c := dial(t, v)
	send(t, c, header(1, alice))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantStart(t, c, alice[0].String()+" to "+alice[1].String()+"\n")
	wantEnd(t, c)
}

// TestTrustedProxyForItself: a trusted proxy that names no client is the client.
func TestTrustedProxyForItself(t *testing.T) {
	_, v := trusting(t, "127.0.0.1")
	for _, h := range []string{string(proxyheader.AppendLocal(nil)), "PROXY UNKNOWN\r\n", "PROXY UNKNOWN 1.2.3.4\r\n"} {
		c := dial(t, v)
		send(t, c, h+"payload")
		wantStart(t, c, nameOf(c, v)+"payload")
	}
}

func TestMissingProxyHeader(t *testing.T) {
	r := new(recorder)
	d := newPlane(t, proxy.Options{Log: r.logger()})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	v.TrustedProxies, v.ConnectTimeout = loopback, 100*time.Millisecond
	apply(t, d, v)
	for _, say := range []string{"GET / HTTP/1.1\r\n", "PROXY TCP4 1.2.3.4\r\n", "", "PRO"} {
		c := dial(t, v)
		send(t, c, say) // the last two are waited for in vain
		wantReset(t, c)
	}
	for _, say := range []string{"", "PROXY"} {
		c := dial(t, v)
		send(t, c, say)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantReset(t, c)
	}
	c := dial(t, v)
	_ = c.SetLinger(0)
	_ = c.Close()
	wait.Until(t, "all are counted", func() bool {
		n := status(t, d).Counters
		return n == dataplane.Counters{MissingProxyHeader: 7}
	})
	wait.Until(t, "they are gone", func() bool { return d.Drain(t.Context()) == nil })
	_ = d.Close()
	if n := r.count("trusted proxy sends no PROXY header"); n != 1 {
		t.Errorf("%d lines in the log, want one", n)
	}
}

// TestUntrustedHeaderIsPayload: a header of another client goes to the real server.
func TestUntrustedHeaderIsPayload(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	v.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}
	apply(t, d, v)
	c := dial(t, v)
	send(t, c, header(1, alice))
	wantStart(t, c, header(1, alice))

	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}, Timeout: patience}
	trusted := get[net.Conn](t)(from.Dial("tcp", v.ID.Addr.String()))
	defer trusted.Close()
	_ = trusted.SetDeadline(time.Now().Add(patience))
	send(t, trusted, header(2, alice)+"payload")
	wantStart(t, trusted, "payload")
}

// TestNamedClientsPersist: persistence goes by the client alice, even if it is of
// another family than the service.
func TestNamedClientsPersist(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("A")), tcpServer(t, "127.0.0.1", says("B")))
	v.TrustedProxies, v.Persistent, v.PersistentBits = loopback, time.Minute, 32
	apply(t, d, v)
	other := [2]netip.AddrPort{mustAddr("192.0.2.8:1"), alice[1]}
	got := ""
	for _, who := range [][2]netip.AddrPort{alice, other, alice, other, alice, bob} {
		c := dial(t, v)
		send(t, c, header(2, who))
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		got += string(b)
	}
	if got[:5] != "ABABA" && got[:5] != "BABAB" {
		t.Errorf("named clients went to %s", got)
	}
}

// TestRemovalWhileWaiting: a connection that waits for a PROXY header delays nothing.
func TestRemovalWhileWaiting(t *testing.T) {
	d, v := trusting(t, "127.0.0.1")
	c := dial(t, v)
	if err := d.Remove(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	send(t, c, header(1, alice))
	wantStart(t, c, alice[0].String())
	waiting := dial(t, serviceOf(t, d, v))
	_ = d.Close()
	wantReset(t, waiting)
}

func serviceOf(t testing.TB, d *proxy.Dataplane, v dataplane.VirtualService) dataplane.VirtualService {
	t.Helper()
	apply(t, d, v)
	return v
}

func letter(who [2]netip.AddrPort, s string) string {
	return string(proxyheader.Append2(nil, who[0], who[1], true)) + s
}

// TestNamedDatagrams has one socket of a proxy speak for several clients, each
// of which has a flow of its own and persistence by its own name.
func TestNamedDatagrams(t *testing.T) {
	for _, told := range []int{0, 2} {
		d := newPlane(t, proxy.Options{})
		a, _ := udpServer(t, "127.0.0.1", same)
		v := udpService(t, a)
		if told != 0 {
			v.RealServers[0].Addr = letters(t, "127.0.0.1")
		}
		v.TrustedProxies, v.ProxyProtocol = loopback, told
		apply(t, d, v)
		c := dialUDP(t, v)
		for range 3 {
			for _, who := range [][2]netip.AddrPort{alice, bob} {
				want := "payload"
				if told != 0 {
					want = who[0].String() + " to " + who[1].String() + ": payload"
				}
				if got := exchange(t, c, letter(who, "payload")); got != want {
					t.Errorf("answer %q, want %q", got, want)
				}
			}
		}
		local := exchange(t, c, string(proxyheader.AppendLocal(nil))+"payload")
		if want := c.LocalAddr().String() + " to " + v.ID.Addr.String() + ": payload"; told != 0 && local != want {
			t.Errorf("answer %q, want %q", local, want)
		}
		send(t, c, "nobody")
		send(t, c, header(1, alice)+"old")
		wait.Until(t, "all are counted", func() bool {
			n := status(t, d).Counters
			return n.Connections == 3 && n.MissingProxyHeader == 2 && n.InPackets == 7 && n.InBytes == 49
		})
	}
}

func TestNamedDatagramsOfTheSorryServer(t *testing.T) {
	d := newPlane(t, proxy.Options{Responder: responder{}})
	v := udpService(t)
	v.RealServers = []dataplane.RealServer{{Weight: 1, Sorry: true}}
	v.TrustedProxies, v.ProxyProtocol = loopback, 2
	apply(t, d, v)
	if got := exchange(t, dialUDP(t, v), letter(alice, "payload")); got != "payload" {
		t.Errorf("answer %q, want payload", got)
	}
}
