package dataplane_test

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
)

func TestServiceIDString(t *testing.T) {
	for _, c := range []struct {
		id   dataplane.ServiceID
		want string
	}{
		{dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")}, "tcp 10.0.0.1:80"},
		{dataplane.ServiceID{Protocol: dataplane.UDP, Addr: netip.MustParseAddrPort("[fd00::1]:53")}, "udp [fd00::1]:53"},
		{dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5}, "fwm 5"},
		{dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 1<<32 - 1, IPv6: true}, "fwm6 4294967295"},
	} {
		if got := c.id.String(); got != c.want {
			t.Errorf("%#v is called %q, want %q", c.id, got, c.want)
		}
	}
}

func TestServiceIDCatches(t *testing.T) {
	for _, c := range []struct {
		own, to string
		want    bool
	}{
		{"10.0.0.1:80", "10.0.0.1:80", true},
		{"10.0.0.1:80", "10.0.0.1:81", false},
		{"10.0.0.1:80", "10.0.0.2:80", false},
		{"10.0.0.1:80", "[::ffff:10.0.0.1]:80", true},
		{"0.0.0.0:80", "127.0.0.2:80", true},
		{"0.0.0.0:80", "0.0.0.0:80", true},
		{"0.0.0.0:80", "127.0.0.1:81", false},
		{"0.0.0.0:80", "192.0.2.1:80", false},
		{"0.0.0.0:80", "[::1]:80", false},
		{"[::]:80", "[::1]:80", true},
		{"[::]:80", "127.0.0.1:80", false},
		{"[fd00::1]:80", "[fd00::1]:80", true},
	} {
		id := dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort(c.own)}
		if got := id.Catches(netip.MustParseAddrPort(c.to)); got != c.want {
			t.Errorf("%s catches %s: %v, want %v", c.own, c.to, got, c.want)
		}
	}
	if (dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5}).Catches(netip.AddrPort{}) {
		t.Error("a mark catches what has no address")
	}
}

func TestWords(t *testing.T) {
	for want, word := range map[string]interface{ String() string }{
		"tcp": dataplane.TCP, "udp": dataplane.UDP, "fwm": dataplane.FWMark, "protocol(9)": dataplane.Protocol(9),
		"gate": dataplane.Gate, "masq": dataplane.Masq, "ipip": dataplane.IPIP, "forward(9)": dataplane.Forward(9),
	} {
		if got := word.String(); got != want {
			t.Errorf("%#v is called %q, want %q", word, got, want)
		}
	}
}

// ids draws from few values, so that equal ones and neighbours are common.
var ids = rapid.Custom(func(t *rapid.T) dataplane.ServiceID {
	addrs := []string{"10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80", "[fd00::1]:80", "[fd00::1]:443", "[::ffff:10.0.0.1]:80"}
	id := dataplane.ServiceID{Protocol: rapid.SampledFrom([]dataplane.Protocol{dataplane.TCP, dataplane.UDP, dataplane.FWMark}).Draw(t, "protocol")}
	if id.Protocol == dataplane.FWMark {
		id.Mark = rapid.Uint32Range(1, 3).Draw(t, "mark")
		id.IPv6 = rapid.Bool().Draw(t, "ipv6")
	} else {
		id.Addr = netip.MustParseAddrPort(rapid.SampledFrom(addrs).Draw(t, "addr"))
	}
	return id
})

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := ids.Draw(t, "a"), ids.Draw(t, "b"), ids.Draw(t, "c")
		if (a.Compare(b) == 0) != (a == b) {
			t.Errorf("%v and %v: Compare is %d, == is %v", a, b, a.Compare(b), a == b)
		}
		if a.Compare(b) != -b.Compare(a) {
			t.Errorf("%v and %v: Compare is %d one way, %d the other", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Errorf("%v is not after %v, nor that after %v, and yet the first is after the last", a, b, c)
		}
		if (a.String() == b.String()) != (a == b) {
			t.Errorf("%#v and %#v are called %q and %q", a, b, a, b)
		}
	})
}

func TestCompareOrder(t *testing.T) {
	tcp := func(s string) dataplane.ServiceID {
		return dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort(s)}
	}
	want := []dataplane.ServiceID{
		tcp("10.0.0.1:80"),
		tcp("10.0.0.1:443"),
		tcp("10.0.0.2:80"),
		tcp("[fd00::1]:80"),
		{Protocol: dataplane.UDP, Addr: netip.MustParseAddrPort("10.0.0.1:53")},
		{Protocol: dataplane.FWMark, Mark: 1},
		{Protocol: dataplane.FWMark, Mark: 1, IPv6: true},
		{Protocol: dataplane.FWMark, Mark: 2},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, dataplane.ServiceID.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("sorted: %v, want %v", got, want)
	}
}

func TestMappedPort(t *testing.T) {
	for _, c := range []struct {
		forward            dataplane.Forward
		own, service, want uint16
	}{
		{dataplane.Masq, 8080, 80, 8080},
		{dataplane.Masq, 0, 80, 80},
		{dataplane.Masq, 0, 0, 0},
		{dataplane.Masq, 8080, 0, 8080},
		{dataplane.Gate, 8080, 80, 80},
		{dataplane.Gate, 0, 80, 80},
		{dataplane.Gate, 8080, 0, 0},
		{dataplane.IPIP, 8080, 80, 80},
	} {
		if got := dataplane.MappedPort(c.forward, c.own, c.service); got != c.want {
			t.Errorf("%v to port %d behind port %d arrives on %d, want %d", c.forward, c.own, c.service, got, c.want)
		}
	}
}

func service() dataplane.VirtualService {
	return dataplane.VirtualService{
		ID:             dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")},
		Scheduler:      "sh",
		SchedFlags:     []string{"sh-port"},
		Persistent:     time.Minute,
		PersistentBits: 24,
		OnePacket:      true,
		Cut:            []netip.AddrPort{netip.MustParseAddrPort("10.0.1.2:80")},
		Options:        options(), ClientLists: clientLists(),
		RealServers: []dataplane.RealServer{
			{Addr: netip.MustParseAddrPort("10.0.1.1:80"), Forward: dataplane.Masq, Weight: 1, Upper: 2, Lower: 1, MaxConn: 3},
			{Sorry: true, Weight: 1, Tunnel: dataplane.Tunnel{Type: dataplane.TunnelGRE}},
		},
	}
}

func options() dataplane.Options {
	return dataplane.Options{
		ConnectTimeout: time.Second, IdleTimeout: time.Hour, ExpireQuiescent: true,
		QueueTimeout: time.Second, MaxQueue: 1, KeepAlive: time.Minute, UserTimeout: time.Second,
		ProxyProtocol: 2, Transparent: true, SourceConns: 1, SourceRate: dataplane.Rate{Count: 1, Per: time.Second},
		SourceBits4: 24, SourceBits6: 56,
	}
}

func clientLists() dataplane.ClientLists {
	nets := func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }
	return dataplane.ClientLists{TrustedProxies: nets(), Allow: nets(), Deny: nets()}
}

// TestEqualMindsEveryField changes each field in turn, also ones that have
// been added since.
func TestEqualMindsEveryField(t *testing.T) {
	if !service().Equal(service()) {
		t.Error("a service is not equal to itself")
	}
	each(reflect.TypeFor[dataplane.VirtualService](), func(i int, name string) {
		v := service()
		reflect.ValueOf(&v).Elem().Field(i).SetZero()
		if v.Equal(service()) || service().Equal(v) {
			t.Errorf("services that differ in %s are equal", name)
		}
	})
	each(reflect.TypeFor[dataplane.Options](), func(i int, name string) {
		v := service()
		change(reflect.ValueOf(&v.Options).Elem().Field(i))
		if v.Equal(service()) || service().Equal(v) {
			t.Errorf("services that differ in %s are equal", name)
		}
	})
	each(reflect.TypeFor[dataplane.ClientLists](), func(i int, name string) {
		v := service()
		reflect.ValueOf(&v.ClientLists).Elem().Field(i).SetZero()
		if v.Equal(service()) || service().Equal(v) {
			t.Errorf("services that differ in %s are equal", name)
		}
	})
	each(reflect.TypeFor[dataplane.RealServer](), func(i int, name string) {
		v, w := service(), service()
		// One of the two has something there in each field.
		reflect.ValueOf(&v.RealServers[0]).Elem().Field(i).SetZero()
		reflect.ValueOf(&w.RealServers[1]).Elem().Field(i).SetZero()
		if v.Equal(service()) && w.Equal(service()) {
			t.Errorf("services whose real servers differ in %s are equal", name)
		}
	})
}

// change gives f another value than it has.
func change(f reflect.Value) {
	switch {
	case !f.IsZero():
		f.SetZero()
	case f.CanInt():
		f.SetInt(1)
	case f.Kind() == reflect.Bool:
		f.SetBool(true)
	}
}

func TestEqualMindsOrder(t *testing.T) {
	v := service()
	slices.Reverse(v.RealServers)
	if v.Equal(service()) {
		t.Error("services with another order of real servers are equal")
	}
	v = service()
	v.RealServers = nil
	w := v.Clone()
	w.RealServers = []dataplane.RealServer{}
	if !v.Equal(w) {
		t.Error("no real servers and no real servers are not equal")
	}
}

func TestCloneSharesNothing(t *testing.T) {
	v := service()
	w := v.Clone()
	if !v.Equal(w) {
		t.Fatal("a clone is not equal")
	}
	apart(t, v, w)
	// Lists of clients may be long, and are nobody's to change.
	w.Allow, w.Deny = slices.Clone(w.Allow), slices.Clone(w.Deny)
	apart(t, v.ClientLists, w.ClientLists)
}

// apart fails if a slice of v is one of w.
func apart[T any](t *testing.T, v, w T) {
	each(reflect.TypeFor[T](), func(i int, name string) {
		f, g := reflect.ValueOf(v).Field(i), reflect.ValueOf(w).Field(i)
		if f.Kind() == reflect.Slice && f.Pointer() == g.Pointer() {
			t.Errorf("a clone shares %s", name)
		}
	})
}

func each(t reflect.Type, fn func(i int, name string)) {
	for i := range t.NumField() {
		fn(i, t.Field(i).Name)
	}
}
