package httpget

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// A page is what is asked for, ready to be sent.
type page struct {
	scheme string // http or https
	host   string // the Host header: an address or a name, with or without a port
	target string // begins with a slash
}

// String returns the URL.
func (p page) String() string { return p.scheme + "://" + p.host + p.target }

// parsePage takes a whole URL apart: one that begins with http:// or https://.
func parsePage(s string) (page, bool) {
	scheme, rest, _ := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return page{}, false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return page{scheme, rest, "/"}, true
	}
	p := page{scheme, rest[:end], rest[end:]}
	if p.target[0] == '?' {
		p.target = "/" + p.target
	}
	return p, true
}

// cutLogin takes user and password off the host, as they stand in a URL.
func (p page) cutLogin() (bare page, login string) {
	if i := strings.LastIndexByte(p.host, '@'); i >= 0 {
		p.host, login = p.host[i+1:], p.host[:i]
	}
	return p, login
}

// basic returns the field by which a login of a URL is sent (RFC 7617), as libwww-perl
// does, and what is secret in it.
func basic(login string) (field string, secrets []string) {
	user, passwd, _ := strings.Cut(login, ":")
	user, passwd = unescaped(user), unescaped(passwd)
	words := base64.StdEncoding.EncodeToString([]byte(user + ":" + passwd))
	return "Authorization: Basic " + words + "\n", []string{login, passwd, words}
}

// unescaped resolves the escapes of a part of a URL, if they are such.
func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// resolve returns the page that a Location header means on p (RFC 9110
// section 10.2.2).
func (p page) resolve(location string) (page, error) {
	base, err := url.Parse(p.String())
	if err != nil {
		base = &url.URL{Scheme: p.scheme, Host: p.host, Path: "/"}
	}
	to, err := base.Parse(encode(location))
	if err != nil {
		return page{}, failure.Because(failure.Status, "redirected to %q, which is no URL", location)
	}
	next, ok := parsePage(to.Scheme + "://" + to.Host + to.RequestURI())
	if !ok {
		return page{}, failure.Because(failure.Status, "redirected to %q, which is not HTTP", location)
	}
	return next, next.check()
}

// check refuses a host that would not be one in the Host header.
func (p page) check() error {
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/?#\"<>@`, r) }
	if p.name() == "" || strings.ContainsFunc(p.host, bad) {
		return fmt.Errorf("%q is no host name", p.host)
	}
	return nil
}

// name returns the host without its port.
func (p page) name() string { return (&url.URL{Host: p.host}).Hostname() }

// port returns the port in the URL, or else the scheme's; 0 for nonsense.
func (p page) port() uint16 {
	if s := (&url.URL{Host: p.host}).Port(); s != "" {
		n, _ := strconv.ParseUint(s, 10, 16)
		return uint16(n)
	}
	if p.scheme == "https" {
		return 443
	}
	return 80
}

// bracketed writes an address as a URL's host. A zone means nothing to others.
func bracketed(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// verbatim are the bytes beside letters and digits that a request may have as
// they are: those of RFC 3986 and the percent sign, since who writes one has
// encoded already.
const verbatim = "-_.!~*'();/?:@&=+$,[]%"

// encode writes everything else with percent signs, byte by byte, and leaves a
// fragment out.
func encode(s string) string {
	s, _, _ = strings.Cut(s, "#")
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; alphanumeric(c) || strings.IndexByte(verbatim, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
