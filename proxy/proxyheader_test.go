package proxy_test

import (
	"bytes"
	"errors"
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

// announced reads a header to its end, and not a byte more.
func announced(t testing.TB, c net.Conn) proxyheader.Header {
	t.Helper()
	var b []byte
	for one := make([]byte, 1); ; {
		if _, err := io.ReadFull(c, one); err != nil {
			t.Errorf("the header ends after %q: %v", b, err)
			return proxyheader.Header{}
		}
		b = append(b, one...)
		if h, n, err := proxyheader.Parse(b); err == nil {
			if n != len(b) {
				t.Errorf("a header of %d bytes in %q", n, b)
			}
			return h
		} else if !errors.Is(err, proxyheader.ErrShort) {
			t.Errorf("%q: %v", b, err)
			return proxyheader.Header{}
		}
	}
}

// greets sends whom the header names, and then back what it gets.
func greets(t testing.TB) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		h := announced(t, c)
		_, _ = io.WriteString(c, h.Source.String()+" to "+h.Dest.String()+"\n")
		_, _ = io.Copy(c, c)
	}
}

func nameOf(c *net.TCPConn, v dataplane.VirtualService) string {
	return c.LocalAddr().String() + " to " + v.ID.Addr.String() + "\n"
}

func wantStart(t testing.TB, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); string(b) != want {
		t.Errorf("got %q (%v), want %q", b[:n], err, want)
	}
}

func TestHeaderNamesTheClient(t *testing.T) {
	for _, version := range []int{1, 2} {
		for _, at := range []struct{ service, server string }{{"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}, {"127.0.0.1", "::1"}, {"::1", "127.0.0.1"}} {
			d := newPlane(t, proxy.Options{})
			v := serviceAt(dataplane.TCP, process.FreeAddrAt(t, at.service), dead(t), tcpServer(t, at.server, greets(t)))
			v.ProxyProtocol = version
			apply(t, d, v)
			for range 2 { // one of them by way of the dead one
				c := dial(t, v) // and does not say anything
				wantStart(t, c, nameOf(c, v))
				const request = "what the client has to say"
				send(t, c, request)
				wantStart(t, c, request)
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				wantEnd(t, c)
			}
			// Bytes that are not the client's are not counted.
			wait.Until(t, "it is counted", func() bool { return status(t, d).Counters.InBytes == 2*26 })
		}
	}
}

func wantEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
		t.Errorf("%d bytes and %v instead of the end", n, err)
	}
}

// A service on all addresses says which of them the client has chosen.
func TestHeaderOfAWildcard(t *testing.T) {
	for _, at := range []struct{ wildcard, asked string }{{"0.0.0.0", "127.0.0.55"}, {"::", "::1"}} {
		d := newPlane(t, proxy.Options{})
		v := serviceAt(dataplane.TCP, process.FreeAddrAt(t, at.wildcard), tcpServer(t, "127.0.0.1", greets(t)))
		v.ProxyProtocol = 2
		apply(t, d, v)
		v.ID.Addr = netip.AddrPortFrom(netip.MustParseAddr(at.asked), v.ID.Addr.Port())
		c := dial(t, v)
		wantStart(t, c, nameOf(c, v))
	}
}

// Much that is sent at once follows the header without a gap.
func TestHeaderBeforeAStream(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", greets(t)))
	v.ProxyProtocol = 1
	apply(t, d, v)
	c := dial(t, v)
	stream := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	go func() { _, _ = c.Write(stream); _ = c.CloseWrite() }()
	wantStart(t, c, nameOf(c, v))
	if got, err := io.ReadAll(c); !bytes.Equal(got, stream) {
		t.Errorf("%d bytes came back (%v), want the %d that were sent", len(got), err, len(stream))
	}
	wait.Until(t, "it is counted", func() bool { return status(t, d).Counters.InBytes == uint64(len(stream)) })
}

// A header is for a service that asks for it, from the next connection on.
func TestHeaderFollowsTheService(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	apply(t, d, v)
	plain := dial(t, v)
	send(t, plain, "x")
	wantStart(t, plain, "x")
	v.ProxyProtocol = 1
	apply(t, d, v)
	send(t, plain, "y")
	wantStart(t, plain, "y")
	c := dial(t, v)
	wantStart(t, c, "PROXY TCP4 127.0.0.1 127.0.0.1 ")
}

// The built-in sorry server sees what the client sends and nothing else.
func TestSorryServerGetsNoHeader(t *testing.T) {
	d := newPlane(t, proxy.Options{Responder: responder{}})
	v := tcpService(t)
	v.RealServers = []dataplane.RealServer{{Weight: 1, Sorry: true}}
	v.ProxyProtocol = 2
	apply(t, d, v)
	c := dial(t, v)
	send(t, c, "hello")
	wantStart(t, c, "hello")
}

// A responder sends back what it gets.
type responder struct{}

func (responder) ServeConn(_ string, c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.Copy(c, c)
}

func (responder) Answer(_ string, datagram []byte) []byte { return datagram }

// letters answers with whom the header names, and what is behind it.
func letters(t testing.TB, host string) netip.AddrPort {
	addr, _ := udpServer(t, host, func(s string) []string {
		h, n, err := proxyheader.ParseDatagram([]byte(s))
		if err != nil {
			t.Errorf("%q: %v", s, err)
		}
		return []string{h.Source.String() + " to " + h.Dest.String() + ": " + s[n:]}
	})
	return addr
}

func TestDatagramHeaderNamesTheClient(t *testing.T) {
	for _, at := range []struct{ service, asked, server string }{
		{"127.0.0.1", "127.0.0.1", "127.0.0.1"},
		{"::1", "::1", "::1"},
		{"127.0.0.1", "127.0.0.1", "::1"},
		{"0.0.0.0", "127.0.0.55", "127.0.0.1"},
		{"::", "::1", "127.0.0.1"},
	} {
		for _, ops := range []bool{false, true} {
			d := newPlane(t, proxy.Options{})
			v := serviceAt(dataplane.UDP, process.FreeAddrAt(t, at.service), letters(t, at.server), letters(t, at.server))
			v.ProxyProtocol, v.OnePacket = 2, ops
			apply(t, d, v)
			v.ID.Addr = netip.AddrPortFrom(netip.MustParseAddr(at.asked), v.ID.Addr.Port())
			c := dialUDP(t, v)
			for _, s := range []string{"a", "", "bcd", "e"} {
				if got, want := exchange(t, c, s), c.LocalAddr().String()+" to "+v.ID.Addr.String()+": "+s; got != want {
					t.Errorf("answer %q, want %q", got, want)
				}
			}
			wait.Until(t, "it is counted", func() bool { return status(t, d).Counters.InBytes == 5 })
		}
	}
}
