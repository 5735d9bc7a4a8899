package ipvs

import (
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func tcp(addr string) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort(addr)}
}

func udp(addr string) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: dataplane.UDP, Addr: netip.MustParseAddrPort(addr)}
}

func mark(n uint32) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: n}
}

func mark6(n uint32) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: n, IPv6: true}
}

// masq is a real server reached by NAT.
func masq(addr string, weight int) dataplane.RealServer {
	return dataplane.RealServer{Addr: netip.MustParseAddrPort(addr), Forward: dataplane.Masq, Weight: weight}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
