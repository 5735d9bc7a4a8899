package vip

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// TestAnnouncementBytes compares with packets of RFC 826 and RFC 4861 byte by
// byte.
func TestAnnouncementBytes(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	tests := []struct {
		addr string
		want []string
	}{
		{"192.0.2.80", []string{
			"0001080006040001" + "020000000009" + "c0000250" + "000000000000" + "c0000250",
			"0001080006040002" + "020000000009" + "c0000250" + "020000000009" + "c0000250",
		}},
		{"2001:db8::80", []string{
			"60000000" + "00203aff" + "20010db8000000000000000000000080" + "ff020000000000000000000000000001" +
				"8800f824" + "20000000" + "20010db8000000000000000000000080" + "0201020000000009",
		}},
	}
	for _, tt := range tests {
		got := announcement(netip.MustParseAddr(tt.addr), mac)
		if len(got) != len(tt.want) {
			t.Fatalf("%s: %d frames, want %d", tt.addr, len(got), len(tt.want))
		}
		for i, f := range got {
			if text := hex.EncodeToString(f.payload); text != tt.want[i] {
				t.Errorf("%s: frame %d is\n%s, want\n%s", tt.addr, i, text, tt.want[i])
			}
		}
	}
}

// TestAdvertisementChecksum compares with an independent implementation.
func TestAdvertisementChecksum(t *testing.T) {
	addr := netip.MustParseAddr("fd00:ffff:ffff::ffff:1")
	packet := advertisement(addr, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe})
	m, err := icmp.ParseMessage(58, packet[40:])
	if err != nil {
		t.Fatal(err)
	}
	if m.Type != ipv6.ICMPTypeNeighborAdvertisement {
		t.Errorf("it is a %v", m.Type)
	}
	theirs, err := m.Marshal(icmp.IPv6PseudoHeader(addr.AsSlice(), allNodes.AsSlice()))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(theirs, packet[40:]) {
		t.Errorf("got  %x\nwant %x", packet[40:], theirs)
	}
}
