package load_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// One thread stands on both sides of a link, the client's and those of two
// real servers.
func TestNamespaces(t *testing.T) {
	lab := netlab.Test(t)
	here, there := namespaces(t, lab)
	for family, net := range map[string][2]string{"IPv4": {"10.9.0.1/24", "10.9.0.2/24"}, "IPv6": {"fd09::1/64", "fd09::2/64"}} {
		from, to := netip.MustParsePrefix(net[0]), netip.MustParsePrefix(net[1])
		add(t, here, from)
		add(t, there, to)
		for _, kind := range []load.Kind{load.Connections, load.Requests, load.Bulk, load.Idle, load.Datagrams} {
			t.Run(family+"/"+string(kind), func(t *testing.T) {
				o, err := load.Run(t.Context(), load.Job{
					Serve: []load.Serve{
						{Address: netip.AddrPortFrom(to.Addr(), 80), Number: 1, Namespace: there.Path()},
						{Address: netip.AddrPortFrom(to.Addr(), 81), Number: 2, Namespace: there.Path()},
					},
					Client: &load.Client{
						Kind: kind, Namespace: here.Path(), Connections: 10, Duration: 100 * time.Millisecond,
						Targets: []netip.AddrPort{netip.AddrPortFrom(to.Addr(), 80), netip.AddrPortFrom(to.Addr(), 81)},
						Sources: []netip.Prefix{netip.PrefixFrom(from.Addr(), from.Addr().BitLen())},
					},
					Processors: []int{0},
				})
				if err != nil || o.Errors > 0 || o.Reals[1] == 0 || o.Reals[2] == 0 {
					t.Errorf("%v, failures %v, real servers %v, want both to have worked", err, o.Failures, o.Reals)
				}
				checkServed(t, kind, o)
			})
		}
	}
}

// checkServed compares what client and real servers say of each other.
func checkServed(t *testing.T, kind load.Kind, o load.Outcome) {
	t.Helper()
	for _, s := range o.Served {
		if n := s.Requests + s.Datagrams; n < o.Reals[s.Number] || s.Failures["a request that is none"] > 0 {
			t.Errorf("real server %d answered %d (%v), the client has %d", s.Number, n, s.Failures, o.Reals[s.Number])
		}
		if (kind == load.Datagrams) != (s.Datagrams > 0) || (kind != load.Datagrams) != (s.Accepted > 0) {
			t.Errorf("real server %d accepted %d and answered %d datagrams for %s", s.Number, s.Accepted, s.Datagrams, kind)
		}
	}
}

func namespaces(t *testing.T, lab *netlab.Lab) (a, b *netlab.Namespace) {
	t.Helper()
	a, err := lab.Namespace("clients")
	if err != nil {
		t.Fatal(err)
	}
	if b, err = lab.Namespace("reals"); err != nil {
		t.Fatal(err)
	}
	if err := lab.Connect(netlab.End{In: a, Link: "eth0"}, netlab.End{In: b, Link: "eth0"}); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func add(t *testing.T, n *netlab.Namespace, p netip.Prefix) {
	t.Helper()
	if err := n.AddAddr("eth0", p); err != nil {
		t.Fatal(err)
	}
}

func TestNoNamespace(t *testing.T) {
	_, err := load.Run(t.Context(), load.Job{Serve: []load.Serve{{
		Address: netip.AddrPortFrom(local["IPv4"], 0), Namespace: "/proc/self/none",
	}}})
	if err == nil {
		t.Error("served in a namespace that there is not")
	}
}

// Operations come from all addresses of all prefixes in turn.
func TestSources(t *testing.T) {
	var mu sync.Mutex
	seen := map[netip.Addr]int{}
	see := func(a netip.Addr) {
		mu.Lock()
		defer mu.Unlock()
		seen[a.Unmap()]++
	}
	to := map[load.Kind]netip.AddrPort{
		load.Connections: tcp(t, local["IPv4"], func(c *net.TCPConn) {
			see(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
			once(answer)(c)
		}),
		load.Datagrams: udp(t, local["IPv4"], func(c *net.UDPConn, r []byte, from netip.AddrPort) {
			see(from.Addr())
			saying(answer)(c, r, from)
		}),
	}
	for kind, target := range to {
		t.Run(string(kind), func(t *testing.T) {
			mu.Lock()
			clear(seen)
			mu.Unlock()
			o := run(t, load.Client{
				Kind: kind, Targets: []netip.AddrPort{target}, Connections: 4, Flows: 12, Request: requestSize, Answer: answerSize,
				Sources:  []netip.Prefix{netip.MustParsePrefix("127.3.0.0/30"), netip.MustParsePrefix("127.4.0.8/31")},
				Duration: 60 * time.Millisecond, Rate: 1000,
			})
			only(t, o, "")
			mu.Lock()
			defer mu.Unlock()
			if len(seen) != 6 || seen[netip.MustParseAddr("127.3.0.3")] != 10 || seen[netip.MustParseAddr("127.4.0.9")] != 10 {
				t.Errorf("came from %v, want 10 from each of six", seen)
			}
		})
	}
}
