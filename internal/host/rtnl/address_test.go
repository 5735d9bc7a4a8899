package rtnl_test

import (
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
)

func TestBareIsNeverASource(t *testing.T) {
	for _, addr := range []string{"192.0.2.80", "2001:db8::80"} {
		a := netip.MustParseAddr(addr)
		b := rtnl.Bare(a)
		if ones, bits := b.Mask.Size(); ones != a.BitLen() || bits != a.BitLen() {
			t.Errorf("%v has a network of %d of %d bits", a, ones, bits)
		}
		if rtnl.Host(b) != a {
			t.Errorf("%v is read back as %v", a, rtnl.Host(b))
		}
	}
}
