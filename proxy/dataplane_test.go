package proxy_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/dataplane/dataplanetest"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/proxy"
)

func openProxy(testing.TB) dataplane.Dataplane { return proxy.New(proxy.Options{}) }

// TestContract holds the contract with every host on loopback. There is one
// IPv6 address there, which all of them share.
func TestContract(t *testing.T) {
	t.Parallel() // it waits for what takes time
	host := func(v4 string) dataplanetest.Host {
		return dataplanetest.Host{V4: netip.MustParseAddr(v4), V6: netip.IPv6Loopback()}
	}
	dataplanetest.Run(t, dataplanetest.Lab{
		Open:     openProxy,
		Parallel: true,
		VIP4:     netip.MustParseAddr("127.0.0.2"),
		VIP6:     netip.IPv6Loopback(),
		Forward:  dataplane.Masq, // so that ports differ where addresses do not
		Director: host("127.0.0.1"),
		Clients:  []dataplanetest.Host{host("127.0.2.1"), host("127.0.2.2"), host("127.0.3.1")},
		Servers:  []dataplanetest.Host{host("127.0.1.1"), host("127.0.1.2"), host("127.0.1.3")},
	})
}

// TestContractInNamespaces holds the contract over wires: clients in front of
// the director, three real servers behind it, which nothing but the director
// connects.
func TestContractInNamespaces(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	dataplanetest.Run(t, wired(t))
}

func wired(t *testing.T) dataplanetest.Lab {
	lab := netlab.Test(t)
	client, err := lab.Namespace("client")
	must(t, err)
	director, err := lab.Here("director")
	must(t, err)
	must(t, lab.Connect(
		end(client, "eth0", "10.1.0.2/16", "10.1.0.3/16", "10.1.1.2/16", "fd00:1:0:1::2/48", "fd00:1:0:1::3/48", "fd00:1:0:2::2/48"),
		end(director, "eth0", "10.1.0.1/16", "fd00:1::1/48"),
	))
	vip4, vip6 := netip.MustParseAddr("10.1.0.100"), netip.MustParseAddr("fd00:1::100")
	must(t, errors.Join(director.AddVIP("eth0", vip4), director.AddVIP("eth0", vip6)))

	from := func(v4, v6 string) dataplanetest.Host { return at(client, v4, v6) }
	return dataplanetest.Lab{
		Open: openProxy, Parallel: true, VIP4: vip4, VIP6: vip6, Director: at(director, "10.1.0.1", "fd00:1::1"),
		Clients: []dataplanetest.Host{
			from("10.1.0.2", "fd00:1:0:1::2"), from("10.1.0.3", "fd00:1:0:1::3"), from("10.1.1.2", "fd00:1:0:2::2"),
		},
		Servers: realServers(t, lab, director),
	}
}

// realServers puts three of them behind a bridge with the director.
func realServers(t *testing.T, lab *netlab.Lab, director *netlab.Namespace) []dataplanetest.Host {
	ends := []netlab.End{end(director, "eth1", "10.2.0.1/24", "fd00:2::1/64")}
	var hosts []dataplanetest.Host
	for _, n := range []string{"11", "12", "13"} {
		ns, err := lab.Namespace("real" + n)
		must(t, err)
		ends = append(ends, end(ns, "eth0", "10.2.0."+n+"/24", "fd00:2::"+n+"/64"))
		hosts = append(hosts, at(ns, "10.2.0."+n, "fd00:2::"+n))
	}
	_, err := lab.Bridge("back", ends...)
	must(t, err)
	return hosts
}

func end(in *netlab.Namespace, link string, addrs ...string) netlab.End {
	e := netlab.End{In: in, Link: link}
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, netip.MustParsePrefix(a))
	}
	return e
}

func at(n *netlab.Namespace, v4, v6 string) dataplanetest.Host {
	return dataplanetest.Host{V4: netip.MustParseAddr(v4), V6: netip.MustParseAddr(v6), Do: n.Do}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
