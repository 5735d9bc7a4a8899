package vip_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/vip"
)

func TestWanted(t *testing.T) {
	const file = `interface=eth1
virtual=192.0.2.80:80
virtual=192.0.2.80:443
    interface=eth0
virtual=192.0.2.80:53
virtual=7
virtual=127.0.0.1:80
virtual6=[2001:db8::80]:80
`
	c, err := config.Parse(t.Context(), "test.cf", []byte(file), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range vip.Wanted(c) {
		got = append(got, a.String())
	}
	want := []string{"192.0.2.80 on eth0", "192.0.2.80 on eth1", "2001:db8::80 on eth1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c, err = config.Parse(t.Context(), "test.cf", []byte("virtual=192.0.2.80:80\n"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := vip.Wanted(c); len(got) != 0 {
		t.Errorf("without interface %v are wanted", got)
	}
}

func TestBareIsNeverASource(t *testing.T) {
	for _, addr := range []string{"192.0.2.80", "2001:db8::80"} {
		a := netip.MustParseAddr(addr)
		b := vip.Bare(a)
		if ones, bits := b.Mask.Size(); ones != a.BitLen() || bits != a.BitLen() {
			t.Errorf("%v has a network of %d of %d bits", a, ones, bits)
		}
		if vip.Host(b) != a {
			t.Errorf("%v is read back as %v", a, vip.Host(b))
		}
	}
}
