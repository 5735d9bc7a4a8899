package proxy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/proxy"
)

// A wildcards is three services at one port: on all addresses, and on one
// address of the two that clients ask at, and a third one.
type wildcards struct {
	protocol        dataplane.Protocol
	all, one, other string
	asked           []string
}

var wildcardFamilies = []wildcards{
	{all: "0.0.0.0", one: "127.0.0.61", other: "127.0.0.62", asked: []string{"127.0.0.61", "127.0.0.62", "127.0.0.63"}},
	{all: "::", one: "::1", other: "2001:db8::62", asked: []string{"::1"}},
}

// A service on one address has the clients of that address, and one on all
// addresses those of all others, in whatever order they come, go and return.
func TestAllAddressesBesideOne(t *testing.T) {
	orders := []string{"all one other", "one all other", "one other all", "other all one", "all other one", "other one all"}
	for _, protocol := range []dataplane.Protocol{dataplane.TCP, dataplane.UDP} {
		for _, family := range wildcardFamilies {
			for _, order := range orders {
				t.Run(fmt.Sprintf("%s %s %s", protocol, family.all, order), func(t *testing.T) {
					family.protocol = protocol
					family.inOrder(t, strings.Fields(order))
				})
			}
		}
	}
}

func (w wildcards) inOrder(t *testing.T, order []string) {
	d := newPlane(t, proxy.Options{Workers: 2})
	services := map[string]dataplane.VirtualService{}
	servers := map[string]netip.AddrPort{"all": w.server(t, "all"), "one": w.server(t, "one"), "other": w.server(t, "other")}
	port := process.FreeAddrAt(t, w.all).Port()
	for name, addr := range map[string]string{"all": w.all, "one": w.one, "other": w.other} {
		services[name] = serviceAt(w.protocol, netip.AddrPortFrom(netip.MustParseAddr(addr), port), servers[name])
	}
	there := map[string]bool{}
	check := func() {
		t.Helper()
		for _, addr := range w.asked {
			want := ""
			switch {
			case there["one"] && addr == w.one:
				want = "one"
			case there["other"] && addr == w.other:
				want = "other"
			case there["all"]:
				want = "all"
			default:
				continue
			}
			w.wantFrom(t, netip.AddrPortFrom(netip.MustParseAddr(addr), port), want)
		}
	}
	for _, name := range order {
		apply(t, d, services[name])
		there[name] = true
		check()
	}
	for _, name := range order { // each is taken away, and comes back
		if err := d.Remove(t.Context(), services[name].ID); err != nil {
			t.Fatal(err)
		}
		there[name] = false
		check()
		apply(t, d, services[name])
		there[name] = true
		check()
	}
	for _, name := range order { // a change of one leaves the others alone
		changed := services[name]
		changed.Scheduler = "lc"
		apply(t, d, changed)
		check()
	}
	for _, name := range order {
		if err := d.Remove(t.Context(), services[name].ID); err != nil {
			t.Fatal(err)
		}
		there[name] = false
		check()
	}
}

func (w wildcards) server(t *testing.T, name string) netip.AddrPort {
	if w.protocol == dataplane.TCP {
		return tcpServer(t, "127.0.0.1", says(name))
	}
	addr, _ := udpServer(t, "127.0.0.1", named(name))
	return addr
}

// wantFrom checks that several clients, which the kernel distributes among the
// workers, are answered by the server of that name.
func (w wildcards) wantFrom(t *testing.T, at netip.AddrPort, name string) {
	t.Helper()
	v := dataplane.VirtualService{ID: dataplane.ServiceID{Protocol: w.protocol, Addr: at}}
	for range 4 {
		if w.protocol == dataplane.TCP {
			wantAnswer(t, v, name)
		} else if got := exchange(t, dialUDP(t, v), ""); got != name {
			t.Errorf("%s: answer %q, want %q", at, got, name)
		}
	}
}

// TestAllAddressesBesideAnotherProgram: an address that another program has is an
// error, also if that shares its port, and beside a service of our own at the port.
func TestAllAddressesBesideAnotherProgram(t *testing.T) {
	for _, protocol := range []dataplane.Protocol{dataplane.TCP, dataplane.UDP} {
		for _, family := range wildcardFamilies {
			for _, shares := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s %v", protocol, family.all, shares), func(t *testing.T) {
					family.protocol = protocol
					family.besideAnother(t, shares)
				})
			}
		}
	}
}

func (w wildcards) besideAnother(t *testing.T, shares bool) {
	for _, tt := range []struct{ ours, theirs, wanted string }{
		{w.one, w.other, w.all}, // we have one address, they have another
		{w.all, "", w.one},
	} {
		d := newPlane(t, proxy.Options{Workers: 2})
		server := w.server(t, "ours")
		port := process.FreeAddrAt(t, w.all).Port()
		at := func(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), port) }
		apply(t, d, serviceAt(w.protocol, at(tt.ours), server))
		wanted := serviceAt(w.protocol, at(tt.wanted), server)
		if tt.theirs == "" { // who shares gets in beside us, who does not is refused
			if !shares {
				continue
			}
			tt.theirs = tt.wanted
		}
		leave := w.program(t, at(tt.theirs), shares)
		if err := d.Apply(t.Context(), wanted); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s beside %s of another program: %v, want %v", tt.wanted, tt.theirs, err, unix.EADDRINUSE)
		}
		leave()
		apply(t, d, wanted)
		for _, addr := range w.asked {
			if addr == tt.wanted {
				w.wantFrom(t, at(addr), "ours")
			}
		}
	}
}

// program has an address as another program would.
func (w wildcards) program(t *testing.T, at netip.AddrPort, shares bool) (leave func()) {
	t.Helper()
	family, kind := unix.AF_INET6, unix.SOCK_DGRAM
	var to unix.Sockaddr = &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}
	if at.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	}
	if w.protocol == dataplane.TCP {
		kind = unix.SOCK_STREAM
	}
	fd := get[int](t)(unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0))
	left := false
	leave = func() {
		if !left {
			left = true
			_ = unix.Close(fd)
		}
	}
	t.Cleanup(leave)
	if shares {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1)
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
	}
	if err := unix.Bind(fd, to); err != nil {
		t.Fatal(err)
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
	}
	return leave
}
