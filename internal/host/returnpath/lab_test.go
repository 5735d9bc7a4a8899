package returnpath_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/returnpath"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/proxy"
)

const patience = time.Minute

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A fixture is a client and a real server on either side of the director, which
// is this process. The server's default route leads to the director.
type fixture struct {
	*testing.T
	client, server *netlab.Namespace
}

func newFixture(t *testing.T) fixture {
	lab := netlab.Test(t)
	here := must[*netlab.Namespace](t)(lab.Here("director"))
	s := fixture{t, must[*netlab.Namespace](t)(lab.Namespace("client")), must[*netlab.Namespace](t)(lab.Namespace("server"))}
	end := func(n *netlab.Namespace, link string, addrs ...string) netlab.End {
		e := netlab.End{In: n, Link: link}
		for _, a := range addrs {
			e.Addrs = append(e.Addrs, netip.MustParsePrefix(a))
		}
		return e
	}
	check(t,
		lab.Connect(end(s.client, "eth0", "10.1.0.2/24", "fd01::2/64"), end(here, "front", "10.1.0.1/24", "fd01::1/64")),
		lab.Connect(end(s.server, "eth0", "10.2.0.2/24", "fd02::2/64"), end(here, "back", "10.2.0.1/24", "fd02::1/64")),
		s.server.Gateway(netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("fd02::1")),
		here.Sysctl("net.ipv4.conf.all.rp_filter", "1"), // the strictest there is
		here.Sysctl("net.ipv4.conf.back.rp_filter", "1"),
	)
	return s
}

// greet makes the server answer with the client's address, at a port of each of
// its own addresses.
func (s fixture) greet(udp bool, at string) netip.AddrPort {
	s.Helper()
	if udp {
		c := must[net.PacketConn](s.T)(s.server.ListenPacket("udp", at))
		s.Cleanup(func() { _ = c.Close() })
		go func() {
			for b := make([]byte, 100); ; {
				_, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = c.WriteTo([]byte(host(from)), from)
			}
		}()
		return netip.MustParseAddrPort(c.LocalAddr().String())
	}
	l := must[net.Listener](s.T)(s.server.Listen("tcp", at))
	s.Cleanup(func() { _ = l.Close() })
	go welcome(l)
	return netip.MustParseAddrPort(l.Addr().String())
}

// welcome tells each client its address.
func welcome(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, host(c.RemoteAddr()))
		_ = c.Close()
	}
}

func host(a net.Addr) string { return netip.MustParseAddrPort(a.String()).Addr().String() }

// ask returns the address that the server sees when the client connects to the
// service.
func (s fixture) ask(v dataplane.VirtualService) (string, error) {
	s.Helper()
	c, err := s.client.Dial(s.Context(), v.ID.Protocol.String(), v.ID.Addr.String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if v.ID.Protocol == dataplane.UDP {
		_, _ = c.Write([]byte("who am I"))
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// TestServersSeeTheClient: TCP and UDP go through the proxy with the client's
// address, in both families, and come back by the rules.
func TestServersSeeTheClient(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	s := newFixture(t)
	d := proxy.New(proxy.Options{})
	defer d.Close()
	var want []returnpath.Answer
	var services []dataplane.VirtualService
	for _, at := range [][2]string{{"10.1.0.1:80", "10.2.0.2:8080"}, {"[fd01::1]:80", "[fd02::2]:8080"}} {
		for _, p := range []dataplane.Protocol{dataplane.TCP, dataplane.UDP} {
			real := s.greet(p == dataplane.UDP, at[1])
			want = append(want, returnpath.Answer{UDP: p == dataplane.UDP, From: real})
			services = append(services, dataplane.VirtualService{
				ID: dataplane.ServiceID{Protocol: p, Addr: netip.MustParseAddrPort(at[0])}, Scheduler: "rr",
				Options:     dataplane.Options{Transparent: true},
				RealServers: []dataplane.RealServer{{Addr: real, Weight: 1}},
			})
			check(t, d.Apply(t.Context(), services[len(services)-1]))
		}
	}
	k := must[*returnpath.Keeper](t)(returnpath.New(slog.New(slog.DiscardHandler), "test"))
	defer k.Close()
	check(t, k.Set(want))
	for _, v := range services {
		client := "10.1.0.2"
		if v.ID.Addr.Addr().Is6() {
			client = "fd01::2"
		}
		for range 3 {
			if got, err := s.ask(v); got != client || err != nil {
				t.Errorf("%v: the real server sees %q (%v), want %s", v.ID, got, err, client)
			}
		}
	}
	local(s, d)
	// A check from the director itself gets an answer, too.
	for _, a := range want {
		if a.UDP {
			continue
		}
		c := must[net.Conn](t)(net.DialTimeout("tcp", a.From.String(), patience))
		b := must[[]byte](t)(io.ReadAll(c))
		if got := string(b); got != "10.2.0.1" && got != "fd02::1" {
			t.Errorf("%v: the real server sees the director as %s", a, got)
		}
		_ = c.Close()
	}
}

// local checks that real servers on the director itself see the client, too.
func local(s fixture, d *proxy.Dataplane) {
	log := slog.New(slog.DiscardHandler)
	for i, at := range []string{"127.0.0.1:8081", "10.2.0.1:8082", "[::1]:8083", "[fd02::1]:8084"} {
		l := must[net.Listener](s.T)(net.Listen("tcp", at))
		s.Cleanup(func() { _ = l.Close() })
		go welcome(l)
		vip, want := netip.MustParseAddr("10.1.0.1"), "10.1.0.2"
		if i > 1 {
			vip, want = netip.MustParseAddr("fd01::1"), "fd01::2"
		}
		v := dataplane.VirtualService{
			ID:        dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.AddrPortFrom(vip, uint16(90+i))},
			Scheduler: "rr", Options: dataplane.Options{Transparent: true},
			RealServers: []dataplane.RealServer{{Addr: netip.MustParseAddrPort(at), Weight: 1}},
		}
		check(s.T, d.Apply(s.Context(), v))
		k := must[*returnpath.Keeper](s.T)(returnpath.New(log, "local"))
		check(s.T, k.Set([]returnpath.Answer{{From: v.RealServers[0].Addr}}))
		if got, err := s.ask(v); got != want || err != nil {
			s.Errorf("%s: the real server sees %q (%v), want %s", at, got, err, want)
		}
		check(s.T, k.Close())
	}
}

// rules returns the kernel's rules that lead to the table, and its routes.
func rules(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, family := range []string{"-4", "-6"} {
		for _, args := range []string{"rule", fmt.Sprintf("route show table %d", returnpath.Table)} {
			// ip fails if the table has never existed.
			out, _ := exec.CommandContext(t.Context(), "ip", append([]string{family}, strings.Fields(args)...)...).Output()
			for l := range strings.Lines(string(out)) {
				if l = strings.Join(strings.Fields(l), " "); strings.HasPrefix(l, "5300:") || strings.HasPrefix(l, "local ") {
					lines = append(lines, l)
				}
			}
		}
	}
	return lines
}

func wantRules(t *testing.T, want ...string) {
	t.Helper()
	got := rules(t)
	for i := range got {
		got[i], _, _ = strings.Cut(got[i], " proto ")
		got[i], _, _ = strings.Cut(got[i], " metric ")
		got[i], _, _ = strings.Cut(got[i], " scope ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// TestKeeperKeepsItsOwn: a Keeper adds rules, keeps them, puts them back after
// somebody has removed them, adopts those of a killed one, and removes them. Rules
// of others stay.
func TestKeeperKeepsItsOwn(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	web := returnpath.Answer{From: netip.MustParseAddrPort("10.2.0.2:80")}
	dns := returnpath.Answer{UDP: true, From: netip.MustParseAddrPort("[fd02::2]:53")}
	const webRule, dnsRule = "5300: from 10.2.0.2 ipproto tcp sport 80 lookup 5300", "5300: from fd02::2 ipproto udp sport 53 lookup 5300"
	const local4, local6 = "local default dev lo", "local default dev lo"

	killed := must[*returnpath.Keeper](t)(returnpath.New(log, "a"))
	defer killed.Close()
	check(t, killed.Set([]returnpath.Answer{web, dns}))
	check(t, returnpath.Clear(log, "a")) // it runs
	wantRules(t, webRule, local4, dnsRule, local6)

	other := must[*returnpath.Keeper](t)(returnpath.New(log, "b"))
	defer other.Close()
	foreign := returnpath.Answer{From: netip.MustParseAddrPort("10.2.0.3:80")}
	check(t, other.Set([]returnpath.Answer{foreign}))

	k := must[*returnpath.Keeper](t)(returnpath.New(log, "a"))
	defer k.Close()
	check(t, k.Set([]returnpath.Answer{dns}))
	const foreignRule = "5300: from 10.2.0.3 ipproto tcp sport 80 lookup 5300"
	wantRules(t, foreignRule, local4, dnsRule, local6)

	flush := exec.CommandContext(t.Context(), "ip", "-6", "rule", "del", "pref", "5300")
	check(t, flush.Run())
	wantRules(t, foreignRule, local4, local6)
	check(t, k.Set([]returnpath.Answer{dns}))
	wantRules(t, foreignRule, local4, dnsRule, local6)

	check(t, returnpath.Clear(log, "c")) // this owner has no rules
	wantRules(t, foreignRule, local4, dnsRule, local6)
	check(t, k.Close(), k.Close())
	wantRules(t, foreignRule, local4, local6) // the other one has use for it
	check(t, other.Close())
	wantRules(t)
}

// TestCommands: the commands that the package prints work.
func TestCommands(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	for _, a := range []returnpath.Answer{
		{From: netip.MustParseAddrPort("10.2.0.2:80")},
		{UDP: true, From: netip.MustParseAddrPort("[fd02::2]:53")},
	} {
		for _, line := range a.Commands() {
			words := strings.Fields(line)
			if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", line, err, out)
			}
		}
	}
	wantRules(t, "5300: from 10.2.0.2 ipproto tcp sport 80 lookup 5300", "local default dev lo",
		"5300: from fd02::2 ipproto udp sport 53 lookup 5300", "local default dev lo")
}
