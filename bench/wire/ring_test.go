package wire

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// TestDropsAreCounted sends more than a small ring can hold while nobody reads
// it, and the same into one that is large enough.
func TestDropsAreCounted(t *testing.T) {
	const sent = 5000
	for _, c := range []struct {
		name string
		size int
		full bool
	}{{"small", 64 << 10, true}, {"large", 16 << 20, false}} {
		t.Run(c.name, func(t *testing.T) {
			r, send := pairedRing(t, c.size)
			send(sent)
			var read, drops uint64
			for end := time.Now().Add(time.Minute); read+drops < sent && time.Now().Before(end); {
				ok(t, r.wait(100))
				r.read(func(f frame) { inOrder(t, f, read); read++ })
				var err error
				drops, err = r.drops()
				ok(t, err)
			}
			t.Logf("%d read, %d dropped", read, drops)
			if read+drops != sent || (drops > 0) != c.full {
				t.Errorf("%d read and %d dropped of %d", read, drops, sent)
			}
		})
	}
}

// inOrder has it that frame is datagram n, whole, and arrived just now.
func inOrder(t *testing.T, f frame, n uint64) {
	t.Helper()
	var d decoder
	p, known := d.decode(nil, f)
	if !known || binary.BigEndian.Uint64(p.payload) != n || p.sums != right || f.length != len(f.data) {
		t.Fatalf("frame %d is %+v", n, f)
	}
	if age := time.Since(time.Unix(0, f.at)); age < 0 || age > time.Minute {
		t.Fatalf("frame %d is %v old", n, age)
	}
}

// pairedRing captures at one end of a veth pair what is sent into the other.
func pairedRing(t *testing.T, size int) (r *ring, send func(n uint64)) {
	t.Helper()
	lab := netlab.Test(t)
	a, errA := lab.Namespace("a")
	b, errB := lab.Namespace("b")
	ok(t, errA, errB, lab.Connect(
		netlab.End{In: a, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/16")}},
		netlab.End{In: b, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/16")}}))
	traffic := Traffic{Protocol: "udp", To: netip.MustParseAddrPort("10.1.0.2:99"), From: netip.MustParsePrefix("10.1.64.0/20"), Sources: 1000}
	s, err := NewSender(t.Context(), a, "eth0", traffic)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	filter, err := Service{Protocol: "udp", Addr: traffic.To}.filter(256)
	ok(t, err, b.Do(func() error {
		l, err := net.InterfaceByName("eth0")
		if err == nil {
			r, err = openRing(l.Index, size, filter)
		}
		return err
	}))
	t.Cleanup(func() { ok(t, r.close()) })
	return r, func(n uint64) {
		sent, err := s.Send(context.Background(), n, 20000)
		ok(t, err)
		if sent != n {
			t.Fatalf("sent %d of %d", sent, n)
		}
	}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
