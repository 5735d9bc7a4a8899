package daemon

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// TestInTheWay: services of the kernel that nobody looks after any more take
// the connections of those on the proxy, which must not go unsaid.
func TestInTheWay(t *testing.T) {
	const text = `virtual=10.0.0.1:80
virtual=10.0.0.1:53
	protocol=udp
virtual6=[fd00::1]:80
	dataplane=proxy
virtual=10.0.0.2:80
	dataplane=ipvs
`
	conf, err := config.Parse(t.Context(), "x.cf", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := func(p dataplane.Protocol, addr string) dataplane.ServiceID {
		return dataplane.ServiceID{Protocol: p, Addr: netip.MustParseAddrPort(addr)}
	}
	for _, tt := range []struct {
		name, def string
		listed    []dataplane.ServiceID
		want      []string // hints
	}{
		{"empty", onProxy, nil, nil},
		{"others", onProxy, []dataplane.ServiceID{id(dataplane.TCP, "10.0.0.1:81"), id(dataplane.UDP, "10.0.0.1:80"), id(dataplane.TCP, "10.0.0.2:80")}, nil},
		{"tcp", onProxy, []dataplane.ServiceID{id(dataplane.TCP, "10.0.0.1:80")}, []string{"ipvsadm -D -t 10.0.0.1:80"}},
		{"all ports", onProxy, []dataplane.ServiceID{id(dataplane.UDP, "10.0.0.1:0")}, []string{"ipvsadm -D -u 10.0.0.1:0"}},
		{"for IPVS", onIPVS, []dataplane.ServiceID{id(dataplane.TCP, "10.0.0.1:80")}, nil},
		{"proxy by directive", onIPVS, []dataplane.ServiceID{id(dataplane.TCP, "[fd00::1]:80")}, []string{"ipvsadm -D -t [fd00::1]:80"}},
	} {
		var hints []string
		for _, p := range inTheWay(conf, tt.def, tt.listed) {
			hints = append(hints, p.Hint)
			if p.Severity != config.Warning || p.Pos.Line == 0 {
				t.Errorf("%s: %+v", tt.name, p)
			}
		}
		if !slices.Equal(hints, tt.want) {
			t.Errorf("%s: hints %q, want %q", tt.name, hints, tt.want)
		}
	}
}
