package netlab_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

func TestMain(m *testing.M) { leak.Main(m) }

const patience = time.Minute

func prefixes(ps ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range ps {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func namespaces(t *testing.T, lab *netlab.Lab, names ...string) []*netlab.Namespace {
	t.Helper()
	var out []*netlab.Namespace
	for _, name := range names {
		n, err := lab.Namespace(name)
		must(t, err)
		out = append(out, n)
	}
	return out
}

// routed returns client and server on the two sides of a router.
func routed(t *testing.T, lab *netlab.Lab) (client, server *netlab.Namespace) {
	t.Helper()
	ns := namespaces(t, lab, "client", "router", "server")
	client, router, server := ns[0], ns[1], ns[2]
	must(
		t,
		lab.Connect(
			netlab.End{In: client, Link: "eth0", Addrs: prefixes("10.1.0.2/24", "fd00:1::2/64")},
			netlab.End{In: router, Link: "eth0", Addrs: prefixes("10.1.0.1/24", "fd00:1::1/64")},
		),
		lab.Connect(
			netlab.End{In: router, Link: "eth1", Addrs: prefixes("10.2.0.1/24", "fd00:2::1/64")},
			netlab.End{In: server, Link: "eth0", Addrs: prefixes("10.2.0.2/24", "fd00:2::2/64")},
		),
		router.Forward(),
		client.Gateway(addr("10.1.0.1"), addr("fd00:1::1")),
		server.Gateway(addr("10.2.0.1"), addr("fd00:2::1")),
	)
	return client, server
}

// echo serves one connection on address in n.
func echo(t *testing.T, n *netlab.Namespace, address string) (listening string) {
	t.Helper()
	ln, err := n.Listen("tcp", address)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := ln.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

// converse sends a line from n and returns what comes back and from where it
// was sent.
func converse(n *netlab.Namespace, address string) (answer, source string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := n.Dial(ctx, "tcp", address)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return "", "", err
	}
	answer, err = bufio.NewReader(c).ReadString('\n')
	return answer, netip.MustParseAddrPort(c.LocalAddr().String()).Addr().String(), err
}

func wantEcho(t *testing.T, n *netlab.Namespace, address, source string) {
	t.Helper()
	answer, from, err := converse(n, address)
	if err != nil {
		t.Fatalf("%s from %v: %v", address, n, err)
	}
	if answer != "hello\n" || from != source {
		t.Errorf("%s from %v: got %q sent from %s, want an echo sent from %s", address, n, answer, from, source)
	}
}

func TestRouted(t *testing.T) {
	client, server := routed(t, netlab.Test(t))
	wantEcho(t, client, echo(t, server, "10.2.0.2:0"), "10.1.0.2")
	wantEcho(t, client, echo(t, server, "[fd00:2::2]:0"), "fd00:1::2")
}

func TestBridged(t *testing.T) {
	lab := netlab.Test(t)
	ns := namespaces(t, lab, "a", "b", "c")
	_, err := lab.Bridge(
		"switch",
		netlab.End{In: ns[0], Link: "eth0", Addrs: prefixes("10.1.0.1/24", "fd00:1::1/64")},
		netlab.End{In: ns[1], Link: "eth0", Addrs: prefixes("10.1.0.2/24", "fd00:1::2/64")},
		netlab.End{In: ns[2], Link: "eth0", Addrs: prefixes("10.1.0.3/24", "fd00:1::3/64")},
	)
	must(t, err)
	wantEcho(t, ns[0], echo(t, ns[1], "10.1.0.2:0"), "10.1.0.1")
	wantEcho(t, ns[1], echo(t, ns[2], "[fd00:1::3]:0"), "fd00:1::2")
	wantEcho(t, ns[2], echo(t, ns[0], "[fd00:1::1]:0"), "fd00:1::3")
}

func TestVIP(t *testing.T) {
	client, server := routed(t, netlab.Test(t))
	for _, vip := range []string{"10.1.0.100", "fd00:1::100"} {
		must(t, client.AddVIP("eth0", addr(vip)))
		listening := echo(t, client, net.JoinHostPort(vip, "0"))
		source := map[bool]string{true: "10.2.0.2", false: "fd00:2::2"}[addr(vip).Is4()]
		wantEcho(t, server, listening, source)
	}
	// The host that has the VIPs still speaks for itself.
	wantEcho(t, client, echo(t, server, "10.2.0.2:0"), "10.1.0.2")
	wantEcho(t, client, echo(t, server, "[fd00:2::2]:0"), "fd00:1::2")

	must(t, client.DelAddr("eth0", netip.MustParsePrefix("10.1.0.100/32")))
	if ln, err := client.Listen("tcp", "10.1.0.100:0"); err == nil {
		_ = ln.Close()
		t.Error("an address that was taken away can still be listened on")
	}
}

func TestIsolated(t *testing.T) {
	lab := netlab.Test(t)
	ns := namespaces(t, lab, "a", "b")
	address := echo(t, ns[0], "127.0.0.1:0")
	if _, _, err := converse(ns[1], address); err == nil {
		t.Errorf("a loopback listener of namespace a is reached from namespace b")
	}
	if c, err := net.DialTimeout("tcp", address, patience); err == nil {
		_ = c.Close()
		t.Errorf("a loopback listener of namespace a is reached from outside")
	}
	wantEcho(t, ns[0], address, "127.0.0.1")
}

func TestSysctlIsOfTheNamespace(t *testing.T) {
	lab := netlab.Test(t)
	ns := namespaces(t, lab, "a", "b")
	must(t, ns[0].Sysctl("net.ipv4.ip_default_ttl", "42"))
	for i, want := range []string{"42\n", "64\n"} {
		if got := readSysctl(t, ns[i], "net/ipv4/ip_default_ttl"); got != want {
			t.Errorf("ip_default_ttl in %v is %q, want %q", ns[i], got, want)
		}
	}
	if err := ns[0].Sysctl("net.ipv4.no_such", "1"); err == nil {
		t.Error("a sysctl that does not exist was set")
	}
}

func TestErrorsNameNamespaceAndLink(t *testing.T) {
	lab := netlab.Test(t)
	a := namespaces(t, lab, "alpha")[0]
	for what, err := range map[string]error{
		"give 10.1.0.1/24 to alpha:eth9: Link not found":                a.AddAddr("eth9", netip.MustParsePrefix("10.1.0.1/24")),
		"route 0.0.0.0/0 via 10.9.9.9 in alpha: network is unreachable": a.Gateway(addr("10.9.9.9")),
	} {
		if err == nil || err.Error() != what {
			t.Errorf("got %v, want %s", err, what)
		}
	}
}

func TestInside(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	links, err := net.Interfaces()
	must(t, err)
	if len(links) != 1 || links[0].Name != "lo" || links[0].Flags&net.FlagUp == 0 {
		t.Fatalf("a namespace of one's own has %v, want lo alone, up", links)
	}
	lab := netlab.Test(t)
	here, err := lab.Here("here")
	must(t, err)
	there := namespaces(t, lab, "there")[0]
	must(t, lab.Connect(
		netlab.End{In: here, Link: "eth0", Addrs: prefixes("10.1.0.1/24", "fd00:1::1/64")},
		netlab.End{In: there, Link: "eth0", Addrs: prefixes("10.1.0.2/24", "fd00:1::2/64")},
	))
	ln, err := net.Listen("tcp", "[fd00:1::1]:0") // without Do
	must(t, err)
	_ = ln.Close()
	wantEcho(t, there, echo(t, here, "[fd00:1::1]:0"), "fd00:1::2")
}
