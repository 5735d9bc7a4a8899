package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
)

func TestWantedAddresses(t *testing.T) {
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
	for _, a := range wantedAddresses(c) {
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
	if got := wantedAddresses(c); len(got) != 0 {
		t.Errorf("without interface %v are wanted", got)
	}
}

// TestWantedAnswers: those of transparent services of the proxy come back, each
// once.
func TestWantedAnswers(t *testing.T) {
	const file = `transparent=yes
virtual=192.0.2.80:80
    real=10.0.0.2:80 masq
    real=10.0.0.1:80 masq
virtual=192.0.2.80:81
    real=10.0.0.1:80 masq
virtual=192.0.2.80:53
    protocol=udp
    real=10.0.0.1:80 masq
virtual=192.0.2.80:82
    transparent=no
    real=10.0.0.3:80 masq
virtual=192.0.2.80:83
    dataplane=ipvs
    real=10.0.0.4:80 masq
`
	c, err := config.Parse(t.Context(), "test.cf", []byte(file), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range wantedAnswers(c, onProxy) {
		got = append(got, a.String())
	}
	want := []string{"tcp from 10.0.0.1:80", "udp from 10.0.0.1:80", "tcp from 10.0.0.2:80"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := wantedAnswers(c, onIPVS); len(got) != 0 {
		t.Errorf("with IPVS %v are wanted", got)
	}
}
