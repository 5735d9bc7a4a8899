package neighbor

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

var testMAC = MAC{0x52, 0x54, 0, 1, 2, 3}

func packet(t testing.TB, text string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Questions have the bytes of RFC 5227 section 2.1.1 and of RFC 4861 section 4.3.
func TestQuestions(t *testing.T) {
	want := packet(t, "0001 0800 06 04 0001 525400010203 00000000 000000000000 c0000264")
	if got := probe(netip.MustParseAddr("192.0.2.100"), testMAC); string(got) != string(want) {
		t.Errorf("a request of ARP is % x, want % x", got, want)
	}
	want = packet(t, "87 00 0000 00000000 20010db8000000000000000000000100 01 01 525400010203")
	if got := solicitation(netip.MustParseAddr("2001:db8::100"), testMAC); string(got) != string(want) {
		t.Errorf("a solicitation is % x, want % x", got, want)
	}
}

func TestAnswers(t *testing.T) {
	vip := netip.MustParseAddr("192.0.2.100")
	for text, want := range map[string]bool{
		"0001 0800 06 04 0002 525400010203 c0000264 525400aabbcc c000020a":               true,
		"0001 0800 06 04 0001 525400010203 c0000264 000000000000 c0000201":               true, // asks in the name of the VIP
		"0001 0800 06 04 0002 525400010203 c0000264 525400aabbcc c000020a 0000 00000000": true, // padded
		"0001 0800 06 04 0002 525400010203 00000000 525400aabbcc c000020a":               false,
		"0006 0800 06 04 0002 525400010203 c0000264 525400aabbcc c000020a":               false,
		"0001 0800 06 04 0002 525400010203 c0000264 525400aabbcc":                        false,
		"": false,
	} {
		addr, mac, ok := sender(packet(t, text))
		if ok != want || ok && (addr != vip || mac != testMAC) {
			t.Errorf("%s: %s at %s, %v", text, addr, mac, ok)
		}
	}
	vip = netip.MustParseAddr("2001:db8::100")
	const head = "88 00 0000 60000000 20010db8000000000000000000000100"
	for text, want := range map[string]bool{
		head + "02 01 525400010203":                                    true,
		head + "0e 02 0000000000000000000000000000 02 01 525400010203": true, // behind another option
		head + "01 01 525400010203":                                    false,
		head + "02 00 525400010203":                                    false,
		head + "02 02 525400010203":                                    false,
		head:                                                           false, // says no MAC
		"87" + head[2:] + "02 01 525400010203":                         false,
		head[:20]:                                                      false,
	} {
		addr, mac, ok := advertised(packet(t, text))
		if ok != want || ok && (addr != vip || mac != testMAC) {
			t.Errorf("%s: %s at %s, %v", text, addr, mac, ok)
		}
	}
}

// Any bytes that a machine on the link sends are an address or none.
func FuzzAnswers(f *testing.F) {
	f.Add(packet(f, "0001 0800 06 04 0002 525400010203 c0000264 525400aabbcc c000020a"))
	f.Add(packet(f, "88 00 0000 60000000 20010db8000000000000000000000100 02 01 525400010203"))
	f.Add(packet(f, "88 00 0000 60000000 20010db8000000000000000000000100 05 01 000000000000 02 01 525400010203"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if addr, _, ok := sender(p); ok && (!addr.Is4() || len(p) < arpLength) {
			t.Errorf("% x: %s", p, addr)
		}
		if addr, _, ok := advertised(p); ok && (!addr.Is6() || len(p) < icmpFixed+8) {
			t.Errorf("% x: %s", p, addr)
		}
	})
}
