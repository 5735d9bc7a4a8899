package httpget

import (
	"bytes"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// FuzzEncode holds the request against what may stand in a request line.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "/", "index.html", "/a b?c=ü#d", "//x", "%zz%20", "a\r\nHost: b", "\x00\xff", "http://h/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := encode(s)
		if strings.ContainsFunc(e, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }) {
			t.Errorf("%q is encoded as %q", s, e)
		}
		if again := encode(e); again != e {
			t.Errorf("%q is encoded as %q, and that as %q", s, e, again)
		}
		clear, _, _ := strings.Cut(s, "#")
		if back, err := url.PathUnescape(e); !strings.Contains(s, "%") && (err != nil || back != clear) {
			t.Errorf("%q is encoded as %q, which is %q (%v)", s, e, back, err)
		}
	})
}

// FuzzPage: every page that is asked for can be, of a host that the user or
// the redirect named, and never outside of the real server.
func FuzzPage(f *testing.F) {
	for _, s := range []string{"", "/x", "http://www.example.com", "https://[2001:db8::1]:8443/?q", "//other/x", "http:x", "?a", "http://a@b/", "http://127.0.0.1:0/"} {
		f.Add("/index.html", "www.example.com", s)
		f.Add(s, "", "/x")
	}
	server := netip.MustParseAddrPort("127.0.0.1:8080")
	f.Fuzz(func(t *testing.T, request, host, location string) {
		c, err := New(&Target{Addr: server, Scheme: "http", Request: request, VirtualHost: host})
		if err != nil {
			return
		}
		p := c.first
		sane(t, c, p)
		if c.address(p) != server {
			t.Errorf("%s is asked for at %s", p, c.address(p))
		}
		if p, err = p.resolve(location); err != nil {
			return
		}
		sane(t, c, p)
	})
}

func sane(t *testing.T, c *Check, p page) {
	t.Helper()
	want := 6
	if c.headers != "" && p.host == c.first.host { // by a login in the URL
		want++
	}
	if n := bytes.Count(c.request(p), []byte("\r\n")); n != want {
		t.Errorf("the request for %q has %d lines", p, n)
	}
	if line, _, _ := bytes.Cut(c.request(p), []byte("\r\n")); bytes.Count(line, []byte(" ")) != 2 {
		t.Errorf("request line %q", line)
	}
	if p.target[0] != '/' || c.address(p).Addr() != c.addr.Addr() {
		t.Errorf("%q is asked for at %s", p, c.address(p))
	}
}
