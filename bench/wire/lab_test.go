package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	vip4 = netip.MustParseAddrPort("10.9.0.100:80")
	vip6 = netip.MustParseAddrPort("[fd00:9::100]:80")
)

// A site is a client, a director between two links, and three real servers on
// a bridge whose gateway it is.
type site struct {
	lab              *netlab.Lab
	client, director *netlab.Namespace
	real             []*netlab.Namespace
	sent             uint64 // crafted packets, no two of them of one connection
	rate             float64
	back             string // the director's link towards the real servers
}

func newFixture(t testing.TB) *site {
	t.Helper()
	s := &site{lab: netlab.Test(t), rate: 10000, back: "eth1"}
	s.client, s.director = s.namespace(t, "client"), s.namespace(t, "director")
	s.build(t)
	return s
}

// newSiteHere is a site whose director is the process's own namespace, for
// those that open sockets wherever they are.
func newSiteHere(t testing.TB) *site {
	t.Helper()
	s := &site{lab: netlab.Test(t), rate: 10000, back: "eth1"}
	s.client = s.namespace(t, "client")
	var err error
	s.director, err = s.lab.Here("director")
	must(t, err)
	s.build(t)
	must(t, s.director.AddVIP("eth0", vip4.Addr()), s.director.AddVIP("eth0", vip6.Addr()),
		s.director.Route(netip.MustParsePrefix("10.1.64.0/18"), netip.MustParseAddr("10.1.0.2")))
	return s
}

func (s *site) build(t testing.TB) {
	t.Helper()
	must(t, s.lab.Connect(
		end(s.client, "eth0", "10.1.0.2/16", "fd00:1::2/48"),
		end(s.director, "eth0", "10.1.0.1/16", "fd00:1::1/48")))
	ends := []netlab.End{end(s.director, "eth1", "10.2.0.1/24", "fd00:2::1/64")}
	for i := 11; i <= 13; i++ {
		r := s.namespace(t, fmt.Sprintf("real%d", i))
		s.real = append(s.real, r)
		ends = append(ends, end(r, "eth0", fmt.Sprintf("10.2.0.%d/24", i), fmt.Sprintf("fd00:2::%d/64", i)))
	}
	_, err := s.lab.Bridge("back", ends...)
	must(t, err, s.client.Gateway(netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd00:1::1")))
	for _, r := range s.real {
		must(t, r.Gateway(netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("fd00:2::1")), wire.Plain(r, "eth0"))
	}
	must(t, wire.Plain(s.client, "eth0"), wire.Plain(s.director, "eth0"), wire.Plain(s.director, "eth1"))
}

// newOneArm is a site in one network, with IPv4: what comes to the director
// and what leaves it pass the same link.
func newOneArm(t testing.TB) *site {
	t.Helper()
	s := &site{lab: netlab.Test(t), rate: 10000, back: "eth0"}
	s.client, s.director = s.namespace(t, "client"), s.namespace(t, "director")
	ends := []netlab.End{end(s.client, "eth0", "10.1.0.2/8"), end(s.director, "eth0", "10.1.0.1/8", "10.2.0.1/8")}
	for i := 11; i <= 13; i++ {
		r := s.namespace(t, fmt.Sprintf("real%d", i))
		s.real = append(s.real, r)
		ends = append(ends, end(r, "eth0", fmt.Sprintf("10.2.0.%d/8", i)))
	}
	_, err := s.lab.Bridge("net", ends...)
	must(t, err, s.client.Route(netip.MustParsePrefix("10.9.0.0/16"), netip.MustParseAddr("10.1.0.1")))
	return s
}

func (s *site) namespace(t testing.TB, name string) *netlab.Namespace {
	t.Helper()
	n, err := s.lab.Namespace(name)
	must(t, err)
	return n
}

func end(in *netlab.Namespace, link string, addrs ...string) netlab.End {
	e := netlab.End{In: in, Link: link}
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, netip.MustParsePrefix(a))
	}
	return e
}

// onHost is for tests with a director of their own, which is too slow on an
// emulated processor. They run beside each other.
func onHost(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a director in a test needs a processor that is not emulated")
	}
	t.Parallel()
}

// service is what the site serves, by real servers of these weights.
func (s *site) service(t testing.TB, method, protocol string, six bool, weights ...int) wire.Service {
	t.Helper()
	v := wire.Service{Protocol: protocol, Addr: vip4, Method: method}
	if six {
		v.Addr = vip6
	}
	for i, w := range weights {
		mac, err := wire.MAC(s.real[i], "eth0")
		must(t, err)
		addr, port := netip.MustParseAddr(fmt.Sprintf("10.2.0.%d", 11+i)), uint16(80)
		if six {
			addr = netip.MustParseAddr(fmt.Sprintf("fd00:2::%d", 11+i))
		}
		if method == wire.Masq || method == wire.Proxy {
			port = 8080
		}
		v.Reals = append(v.Reals, wire.Real{Addr: netip.AddrPortFrom(addr, port), Weight: w, MAC: mac})
	}
	return v
}

// points are the director's links, and those of the real servers.
func (s *site) points() []wire.Point {
	out := []wire.Point{{In: s.director, Link: "eth0", Real: wire.Director}}
	if s.back != "eth0" {
		out = append(out, wire.Point{In: s.director, Link: s.back, Real: wire.Director})
	}
	for i, r := range s.real {
		out = append(out, wire.Point{In: r, Link: "eth0", Real: i})
	}
	return out
}

// watch observes the service while load runs.
func (s *site) watch(t testing.TB, v wire.Service, load func()) *wire.Observation {
	t.Helper()
	w, err := wire.Watch(wire.Options{Service: v, Settle: patience}, s.points()...)
	must(t, err)
	load()
	o, err := w.Stop(within(t))
	must(t, err)
	return o
}

// flood sends n packets to the service from many sources.
func (s *site) flood(t testing.TB, v wire.Service, n uint64) {
	t.Helper()
	from := netip.MustParsePrefix("10.1.64.0/18")
	if v.Addr.Addr().Is6() {
		from = netip.MustParsePrefix("fd00:1:0:64::/64")
	}
	sender, err := wire.NewSender(within(t), s.client, "eth0",
		wire.Traffic{Protocol: v.Protocol, To: v.Addr, From: from, Sources: 1000, Payload: 100, First: s.sent})
	must(t, err)
	defer sender.Close()
	sent, err := sender.Send(within(t), n, s.rate)
	s.sent += sent
	must(t, err)
	if sent != n {
		t.Fatalf("sent %d packets of %d", sent, n)
	}
}

// patience is for how long a director may hold a packet back while others use
// the processors.
const patience = 200 * time.Millisecond

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// visit opens connections one after the other, each with a request of its
// own, and waits for the answer.
func (s *site) visit(t testing.TB, to netip.AddrPort, n int) {
	t.Helper()
	for i := range n {
		c, err := s.client.Dial(within(t), "tcp", to.String())
		must(t, err)
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		_, err = fmt.Fprintf(c, "request %08d\n", i)
		must(t, err)
		var line [17]byte
		_, err = c.Read(line[:])
		must(t, err, c.Close())
	}
}

// echo makes every real server send back what it receives.
func (s *site) echo(t testing.TB, port uint16) {
	t.Helper()
	for _, r := range s.real {
		ln, err := r.Listen("tcp", fmt.Sprintf(":%d", port))
		must(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				answer(c)
			}
		}()
		t.Cleanup(func() { _ = ln.Close(); <-done })
	}
}

func answer(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	var b [17]byte
	if n, err := c.Read(b[:]); err == nil {
		_, _ = c.Write(b[:n])
		_, _ = c.Read(b[:]) // the end
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
