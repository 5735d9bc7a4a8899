package proxy_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/proxy"
)

// seen sends who the real server sees.
func seen(c *net.TCPConn) { _, _ = io.WriteString(c, c.RemoteAddr().(*net.TCPAddr).IP.String()+"\n") }

// TestTransparent has real servers of loopback, from where everything comes
// back by itself, see addresses that are the client's.
func TestTransparent(t *testing.T) {
	need.Root(t) // it uses addresses of others
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, dead(t), tcpServer(t, "127.0.0.1", seen))
	v.Transparent = true
	apply(t, d, v)
	for _, client := range []string{"127.0.0.77", "127.1.2.3", "127.0.0.1"} {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}, Timeout: patience}
		for range 2 {
			c := get[net.Conn](t)(from.Dial("tcp", v.ID.Addr.String()))
			wantStart(t, c, client+"\n")
			_ = c.Close()
		}
	}

	v6 := serviceAt(dataplane.TCP, process.FreeAddrAt(t, "::1"), tcpServer(t, "::1", seen))
	v6.Transparent = true
	apply(t, d, v6)
	wantStart(t, dial(t, v6), "::1\n")
}

// TestTransparentDatagrams is the same for flows.
func TestTransparentDatagrams(t *testing.T) {
	need.Root(t) // it uses addresses of others
	for _, ops := range []bool{false, true} {
		d := newPlane(t, proxy.Options{})
		server := get[net.PacketConn](t)(net.ListenPacket("udp", "127.0.0.1:0"))
		t.Cleanup(func() { _ = server.Close() })
		go func() {
			for b := make([]byte, 100); ; {
				_, from, err := server.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = server.WriteTo([]byte(from.(*net.UDPAddr).IP.String()), from)
			}
		}()
		v := udpService(t, netip.MustParseAddrPort(server.LocalAddr().String()))
		v.Transparent, v.OnePacket = true, ops
		apply(t, d, v)
		for _, client := range []string{"127.0.0.77", "127.1.2.3"} {
			c := get[*net.UDPConn](t)(net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(client)}, net.UDPAddrFromAddrPort(v.ID.Addr)))
			defer c.Close()
			for range 2 {
				if got := exchange(t, c, "who am I"); got != client {
					t.Errorf("the real server sees %s, want %s", got, client)
				}
			}
		}
	}
}

// The client that a trusted proxy names is the one that is seen, and one of the
// other family cannot be: that is a failure and not another address.
func TestTransparentNames(t *testing.T) {
	need.Root(t) // it uses addresses of others
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", seen))
	v.Transparent, v.TrustedProxies = true, loopback
	apply(t, d, v)
	c := dial(t, v)
	send(t, c, header(2, [2]netip.AddrPort{mustAddr("127.44.5.6:1"), mustAddr("127.0.0.1:2")}))
	wantStart(t, c, "127.44.5.6\n")

	c = dial(t, v)
	send(t, c, header(2, bob))
	wantReset(t, c)
	n := status(t, d).Counters
	if n.Failures != 1 || n.Refused != 1 || n.Connections != 1 {
		t.Errorf("%+v", n)
	}
}

// TestTransparentNeedsTheRight: Apply returns the missing right before it serves
// or changes anything.
func TestTransparentNeedsTheRight(t *testing.T) {
	need.Root(t) // it uses addresses of others
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("A")))
	v.Transparent = true
	var err error
	unprivileged(t, func() { err = d.Apply(t.Context(), v) })
	var op *dataplane.OpError
	if !errors.As(err, &op) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Fatalf("Apply: %v", err)
	}
	wantRefused(t, v)
	v.Transparent = false
	apply(t, d, v)
	v.Transparent = true
	unprivileged(t, func() { err = d.Apply(t.Context(), v) })
	if !errors.Is(err, unix.EPERM) {
		t.Errorf("Apply: %v", err)
	}
	wantAnswer(t, v, "A")
}

// unprivileged runs f on a thread without rights, which ends with it.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	var wg sync.WaitGroup
	var err error
	wg.Go(func() {
		runtime.LockOSThread()
		none := [2]unix.CapUserData{}
		if err = unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err == nil {
			f()
		}
	})
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
}
