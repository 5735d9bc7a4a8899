package dataplanetest

import (
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// loopback is a lab of toys with one fault, or none.
func loopback(fault string) Lab {
	toys := &registry{}
	host := func(v4 string) Host { return Host{V4: netip.MustParseAddr(v4), V6: netip.IPv6Loopback()} }
	return Lab{
		Open:     func(testing.TB) dataplane.Dataplane { return newToy(fault, toys) },
		VIP4:     netip.MustParseAddr("127.0.0.2"),
		VIP6:     netip.IPv6Loopback(),
		Forward:  dataplane.Masq,
		Director: host("127.0.0.1"),
		Clients:  []Host{host("127.0.2.1"), host("127.0.2.2"), host("127.0.3.1")},
		Servers:  []Host{host("127.0.1.1"), host("127.0.1.2"), host("127.0.1.3")},
	}
}

// TestKept shows that the suite can be passed.
func TestKept(t *testing.T) {
	lab := loopback("")
	lab.Parallel = true
	Run(t, lab)
}
