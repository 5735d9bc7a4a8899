package director

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

func TestAddressesReachTheDataplane(t *testing.T) {
	c, err := config.Parse(t.Context(), "test.cf", []byte(`proxyprotocol=v1
trustedproxies=192.0.2.0/24, 2001:db8::7
transparent=yes
virtual=192.0.2.80:80
    real=192.0.2.1:80 masq
virtual=192.0.2.81:80
    real=192.0.2.1:80 masq
    proxyprotocol=v2
    trustedproxies=192.0.2.9
    transparent=no
virtual=192.0.2.82:80
    real=192.0.2.1:80 masq
    proxyprotocol=no
    trustedproxies=none
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	nets := func(all ...string) (list []netip.Prefix) {
		for _, s := range all {
			list = append(list, netip.MustParsePrefix(s))
		}
		return list
	}
	type told struct {
		ProxyProtocol  int
		Transparent    bool
		TrustedProxies []netip.Prefix
	}
	for i, want := range []told{
		{1, true, nets("192.0.2.0/24", "2001:db8::7/128")},
		{2, false, nets("192.0.2.9/32")},
		{0, true, nil},
	} {
		v := Everything(&c.Virtuals[i])
		if diff := cmp.Diff(want, told{v.ProxyProtocol, v.Transparent, v.TrustedProxies}, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Virtuals[i].ID, diff)
		}
	}
}

// TestChecksAreAnnouncedWhereClientsAre: a port of its own for checks is
// spoken to without a header.
func TestChecksAreAnnouncedWhereClientsAre(t *testing.T) {
	c, err := config.Parse(t.Context(), "test.cf", []byte(`proxyprotocol=v2
virtual=192.0.2.80:80
    real=192.0.2.1:8080 masq
    real=192.0.2.2 gate
    real=192.0.2.3:8080 gate
virtual=192.0.2.81:80
    real=192.0.2.1:8080 masq
    checkport=81
virtual=192.0.2.82:80
    real=192.0.2.1:8080 masq
    checkport=8080
virtual=192.0.2.83:80
    real=192.0.2.1:8080 masq
    proxyprotocol=no
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]int{
		{2, 2, 0}, // by gate nobody gets to another port than the service's
		{0}, {2}, {0},
	} {
		v := &c.Virtuals[i]
		for j := range v.Reals {
			if got := spec.For(v, &v.Reals[j]).Whole(nil).ProxyProtocol; got != want[j] {
				t.Errorf("%s: %s is checked with version %d, want %d", v.ID, v.Reals[j].Addr, got, want[j])
			}
		}
	}
}
