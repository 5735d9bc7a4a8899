package proxyheader_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/internal/proxyheader"
)

var sameAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

const signature = "\r\n\r\n\x00\r\nQUIT\n"

var (
	four   = signature + "\x21\x11\x00\x0c\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb"
	six    = signature + "\x21\x21\x00\x24" + strings.Repeat("\x20", 16) + strings.Repeat("\x30", 16) + "\x00\x01\xff\xff"
	six1   = "2020:2020:2020:2020:2020:2020:2020:2020"
	six2   = "3030:3030:3030:3030:3030:3030:3030:3030"
	wide   = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
	worst  = "PROXY UNKNOWN " + wide + " " + wide + " 65535 65535\r\n"
	nobody = proxyheader.Header{}
)

// TestParse has the vectors of the specification, sections 2.1 and 2.2.
func TestParse(t *testing.T) {
	ours := proxyheader.Header{Source: addr("192.168.0.1:56324"), Dest: addr("192.168.0.11:443")}
	overUDP := ours
	overUDP.Datagram = true
	for _, tt := range []struct {
		name, header string
		want         proxyheader.Header
	}{
		{"v1", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", ours},
		{"v1 longest", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", proxyheader.Header{Source: addr("255.255.255.255:65535"), Dest: addr("255.255.255.255:65535")}},
		{"v1 IPv6 longest", "PROXY TCP6 " + wide + " " + wide + " 65535 65535\r\n", proxyheader.Header{Source: addr("[" + wide + "]:65535"), Dest: addr("[" + wide + "]:65535")}},
		{"v1 IPv6 short", "PROXY TCP6 :: 2001:DB8::1 0 1\r\n", proxyheader.Header{Source: addr("[::]:0"), Dest: addr("[2001:db8::1]:1")}},
		{"v1 mapped", "PROXY TCP6 ::ffff:192.168.0.1 ::ffff:c0a8:b 56324 443\r\n", ours},
		{"v1 unknown", "PROXY UNKNOWN\r\n", nobody},
		{"v1 unknown with more", "PROXY UNKNOWN whatever  it is\r\n", nobody},
		{"v1 worst", worst, nobody},
		{"v2", four, ours},
		{"v2 datagram", strings.Replace(four, "\x21\x11", "\x21\x12", 1), overUDP},
		{"v2 IPv6", six, proxyheader.Header{Source: addr("[" + six1 + "]:1"), Dest: addr("[" + six2 + "]:65535")}},
		{"v2 with more", strings.Replace(four, "\x00\x0c", "\x00\x10", 1) + "\x04\x00\x01x", ours},
		{"v2 of a cautious sender", signature + "\x21\x11\x02\x08" + four[16:] + strings.Repeat("x", 508), ours},
		{"v2 local", signature + "\x20\x00\x00\x00", nobody},
		{"v2 local with addresses", strings.Replace(four, "\x21\x11", "\x20\x11", 1), nobody},
		{"v2 local of any family", strings.Replace(four, "\x21\x11", "\x20\xff", 1), nobody},
		{"v2 unspec", signature + "\x21\x00\x00\x03abc", nobody},
		{"v2 family without transport", strings.Replace(four, "\x21\x11", "\x21\x10", 1), nobody},
		{"v2 unix", signature + "\x21\x31\x00\xd8" + strings.Repeat("/", 216), nobody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, payload := range []string{"", "PROXY TCP4", "\r\n", signature} {
				h, n, err := proxyheader.Parse([]byte(tt.header + payload))
				if err != nil || n != len(tt.header) || h != tt.want {
					t.Errorf("before %q: %+v of %d bytes (%v), want %+v of %d", payload, h, n, err, tt.want, len(tt.header))
				}
			}
			for n := range len(tt.header) {
				if _, _, err := proxyheader.Parse([]byte(tt.header[:n])); !errors.Is(err, proxyheader.ErrShort) {
					t.Errorf("the first %d bytes: %v, want %v", n, err, proxyheader.ErrShort)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, header := range map[string]string{
		"something else":           "GET / HTTP/1.1\r\n",
		"another case":             "proxy UNKNOWN\r\n",
		"TLS":                      "\x16\x03\x01",
		"almost a signature":       signature[:11] + "\r",
		"v1 no family":             "PROXY \r\n",
		"v1 unknown family":        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
		"v1 UDP":                   "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"v1 unknown with a tail":   "PROXY UNKNOWNS\r\n",
		"v1 wrong family":          "PROXY TCP4 ::1 ::1 1 2\r\n",
		"v1 wrong family of IPv6":  "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"v1 two families":          "PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
		"v1 two blanks":            "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
		"v1 a blank at the end":    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
		"v1 no port":               "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"v1 port too big":          "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
		"v1 port with a zero":      "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
		"v1 port with a sign":      "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
		"v1 octal":                 "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
		"v1 zone":                  "PROXY TCP6 fe80::1%lo fe80::2 1 2\r\n",
		"v1 line feed alone":       "PROXY UNKNOWN\n",
		"v1 too long":              "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n",
		"v1 endless":               "PROXY UNKNOWN " + strings.Repeat("x", 93),
		"v2 version 1":             signature + "\x11",
		"v2 version 3":             signature + "\x31\x11\x00\x0c",
		"v2 command":               strings.Replace(four, "\x21\x11", "\x22\x11", 1),
		"v2 family":                strings.Replace(four, "\x21\x11", "\x21\x41", 1),
		"v2 transport":             strings.Replace(four, "\x21\x11", "\x21\x13", 1),
		"v2 transport, no family":  strings.Replace(four, "\x21\x11", "\x21\x03", 1),
		"v2 too short for IPv4":    signature + "\x21\x11\x00\x0b" + strings.Repeat("x", 11),
		"v2 too short for IPv6":    signature + "\x21\x21\x00\x23" + strings.Repeat("x", 35),
		"v2 endless":               signature + "\x21\x11\xff\xff",
		"v2 endless, to be waited": signature + "\x20\x00\x10\x00",
	} {
		t.Run(name, func(t *testing.T) {
			if h, n, err := proxyheader.Parse([]byte(header)); !errors.Is(err, proxyheader.ErrMalformed) || n != 0 {
				t.Errorf("%+v of %d bytes (%v), want %v", h, n, err, proxyheader.ErrMalformed)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	if got, want := string(proxyheader.Append1([]byte("x"), addr("192.168.0.1:56324"), addr("192.168.0.11:443"))),
		"xPROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"; got != want {
		t.Errorf("v1: %q, want %q", got, want)
	}
	if got := string(proxyheader.Append2(nil, addr("192.168.0.1:56324"), addr("192.168.0.11:443"), false)); got != four {
		t.Errorf("v2: %q, want %q", got, four)
	}
	if got := string(proxyheader.Append2(nil, addr("["+six1+"]:1"), addr("["+six2+"]:65535"), false)); got != six {
		t.Errorf("v2 IPv6: %q, want %q", got, six)
	}
	if got, want := string(proxyheader.AppendLocal(nil)), signature+"\x20\x00\x00\x00"; got != want {
		t.Errorf("local: %q, want %q", got, want)
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, proxyheader.MaxWritten)
	for _, pair := range [][2]netip.AddrPort{
		{addr("192.168.0.1:56324"), addr("192.168.0.11:443")},
		{addr("[2001:db8::1]:1"), addr("[2001:db8::2]:2")},
		{addr("192.168.0.1:56324"), addr("[2001:db8::2]:2")},
	} {
		n := testing.AllocsPerRun(100, func() {
			proxyheader.Append1(b, pair[0], pair[1])
			proxyheader.Append2(b, pair[0], pair[1], true)
		})
		if n != 0 {
			t.Errorf("%v allocations for %v", n, pair)
		}
	}
}

var addrs = rapid.Custom(func(t *rapid.T) netip.AddrPort {
	n := rapid.SampledFrom([]int{4, 16}).Draw(t, "length")
	a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "address"))
	return netip.AddrPortFrom(a, rapid.Uint16().Draw(t, "port"))
})

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source, dest := addrs.Draw(t, "source"), addrs.Draw(t, "dest")
		udp := rapid.Bool().Draw(t, "udp")
		want := proxyheader.Header{Source: plain(source), Dest: plain(dest)}
		check := func(b []byte, want proxyheader.Header) {
			h, n, err := proxyheader.Parse(append(b, "payload"...))
			if diff := cmp.Diff(want, h, sameAddr); err != nil || n != len(b) || diff != "" {
				t.Errorf("%q: %d of %d bytes (%v)\n%s", b, n, len(b), err, diff)
			}
			if len(b) > proxyheader.MaxWritten {
				t.Errorf("%d bytes are more than the most", len(b))
			}
		}
		check(proxyheader.Append1(nil, source, dest), want)
		want.Datagram = udp
		check(proxyheader.Append2(nil, source, dest, udp), want)
	})
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// FuzzParse wants of anything that the header lies within it, that no part of
// it was one already, and that what it names can be written and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "GET / HTTP/1.1\r\n\r\n", worst, four, six, signature + "\x20\x00\x00\x00", "PROXY UNKNOWN\r\n",
		"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET", "PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n",
		signature + "\x21\x11\xff\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := proxyheader.Parse(b)
		switch {
		case errors.Is(err, proxyheader.ErrShort):
			if len(b) >= proxyheader.MaxLen {
				t.Errorf("%d bytes are too short", len(b))
			}
			return
		case err != nil:
			if _, _, again := proxyheader.Parse(append(b, 0)); !errors.Is(again, proxyheader.ErrMalformed) {
				t.Errorf("%q was wrong, and with one more byte is %v", b, again)
			}
			return
		case n < 15 || n > len(b) || n > proxyheader.MaxLen:
			t.Fatalf("a header of %d bytes in %d", n, len(b))
		}
		if _, _, err := proxyheader.Parse(b[:n-1]); !errors.Is(err, proxyheader.ErrShort) {
			t.Errorf("%q without its last byte: %v", b[:n], err)
		}
		if h.Named() != h.Dest.IsValid() {
			t.Errorf("half an introduction: %+v", h)
		}
		if !h.Named() {
			return
		}
		again, _, err := proxyheader.Parse(proxyheader.Append2(nil, h.Source, h.Dest, h.Datagram))
		if err != nil || again != h {
			t.Errorf("%+v was read again as %+v (%v)", h, again, err)
		}
	})
}
