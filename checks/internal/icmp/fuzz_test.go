package icmp

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// FuzzICMP: nothing that comes in by ICMP ends a ping but its own answer, and
// what a router quotes is read back as it was sent.
func FuzzICMP(f *testing.F) {
	answer, _ := (&icmp.Message{Type: ipv6.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 1, Seq: 2, Data: make([]byte, pingData)}}).Marshal(nil)
	f.Add(answer, uint16(1), uint16(2), []byte{10, 0, 0, 1})
	f.Add([]byte{0x45}, uint16(1), uint16(2), bytes.Repeat([]byte{0xfd}, 16))
	f.Add([]byte{}, uint16(0), uint16(0), []byte{})
	f.Fuzz(func(t *testing.T, packet []byte, id, seq uint16, addr []byte) {
		for _, fam := range []*family{icmp4, icmp6} {
			dst := netip.IPv6Loopback()
			s := &socket{fam: fam, id: int(id), waiting: map[uint16]*echo{}}
			e := &echo{dst: dst, nonce: 1<<63 | 1, result: make(chan error, 1)}
			s.waiting[seq] = e
			s.take(packet, netip.Addr{})
			s.undeliverable(packet, errors.New("undeliverable"))
			if q, _ := fam.quoted(packet); len(e.result) > 0 && (q.seq != seq || q.id != id || q.dst != dst) {
				t.Errorf("%x ended ping %d/%d", packet, id, seq)
			}
		}
		if dst, ok := netip.AddrFromSlice(addr); ok {
			roundTrip(t, dst, id, seq)
		}
	})
}

func roundTrip(t *testing.T, dst netip.Addr, id, seq uint16) {
	t.Helper()
	fam := familyOf(dst)
	header := make([]byte, ipv6.HeaderLen)
	header[0], header[6] = 0x60, unix.IPPROTO_ICMPV6
	copy(header[24:], dst.AsSlice())
	if dst.Is4() {
		header = make([]byte, ipv4.HeaderLen+4) // with an option
		header[0], header[9] = 0x46, unix.IPPROTO_ICMP
		copy(header[16:], dst.AsSlice())
	}
	request, err := (&icmp.Message{Type: fam.request, Body: &icmp.Echo{ID: int(id), Seq: int(seq)}}).Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	datagram := append(header, request...)
	if q, ok := fam.quoted(datagram); !ok || q != (quote{dst, id, seq}) {
		t.Errorf("a request to %s, %d/%d is read as %v, %v", dst, id, seq, q, ok)
	}
	for n := range datagram {
		if _, ok := fam.quoted(datagram[:n]); ok {
			t.Errorf("the first %d bytes of %d are enough", n, len(datagram))
		}
	}
}
