// Package httpget asks a real server for a page by GET or HEAD, follows redirects
// to where the same real server is asked again, and judges the final answer. HTTP/1
// is a session, HTTP/2 blocks.
package httpget

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// maxRedirects is how many redirects a check follows, as many as ldirectord.
const maxRedirects = 7

// MaxBody bounds the body of an answer, in bytes.
const MaxBody = 8 << 20

// maxUnmatched bounds a body that nothing has to match, in bytes.
const maxUnmatched = 1 << 20

// A Target is what a check of HTTP needs of a checks.Target, which explains the
// fields.
type Target struct {
	Addr   netip.AddrPort
	Scheme string // of a request that has none
	Proxy  bool   // the real server is asked for whole URLs

	Request, VirtualHost, Method, Headers string
	Statuses, BodyDigest                  string
	Receive                               match.Matcher
	// TLS returns how to speak TLS with a host of that name.
	TLS func(name string) *tls.Config
}

// A Check is one check with all its redirects. It does not change.
type Check struct {
	addr              netip.AddrPort
	proxy, head       bool
	headers, statuses string
	receive           match.Matcher
	tls               func(name string) *tls.Config
	first             page
}

// New returns the Check of a target. Its error is one of the configuration.
func New(t *Target) (*Check, error) {
	c := &Check{
		addr: t.Addr, proxy: t.Proxy, head: strings.EqualFold(t.Method, http.MethodHead),
		headers: t.Headers, statuses: t.Statuses, receive: t.Receive, tls: t.TLS,
	}
	if t.BodyDigest != "" {
		c.receive = &digest{want: t.BodyDigest, receive: t.Receive}
	}
	if c.head && c.receive != nil {
		return nil, fmt.Errorf("an answer to HEAD has no body: receive %q can never match", c.receive)
	}
	var login string
	var err error
	c.first, login, err = t.page()
	if login != "" && !hasField(c.headers, "Authorization") {
		field, _ := basic(login)
		c.headers = field + c.headers
	}
	return c, err
}

// page is what the request means, and the login in its URL.
func (t *Target) page() (p page, login string, err error) {
	request := encode(strings.TrimPrefix(t.Request, "/"))
	if p, ok := parsePage(request); ok {
		p, login = p.cutLogin()
		return p, login, p.check()
	}
	if t.Proxy {
		return page{}, "", fmt.Errorf("request %q is not a whole URL, which a proxy needs", request)
	}
	p = page{scheme: t.Scheme, host: t.VirtualHost, target: "/" + request}
	if p.host == "" {
		p.host = bracketed(t.Addr.Addr())
	}
	return p, "", p.check()
}

// redirected says about an error where the real server was asked for p.
func (c *Check) redirected(p page, err error) error {
	where := fmt.Sprintf("redirected to %s: %s", quote.Short(p.String()), c.address(p))
	if f, ok := errors.AsType[*failure.Cause](err); ok {
		return &failure.Cause{Err: f.Err, When: f.When, Where: where, Kind: f.Kind}
	}
	return fmt.Errorf("%s: %w", where, err)
}

// address is where the real server is asked for p.
func (c *Check) address(p page) netip.AddrPort {
	if c.proxy || p.scheme == c.first.scheme && p.port() == c.first.port() {
		return c.addr
	}
	return netip.AddrPortFrom(c.addr.Addr(), p.port())
}

// First returns the connection over which the real server is asked first.
func (c *Check) First() session.Hop { return *c.hop(c.first) }

// hop is the connection over which the real server is asked for p. Each page has
// one of its own.
func (c *Check) hop(p page) *session.Hop {
	h := &session.Hop{Addr: c.address(p)}
	if c.overTLS(p) {
		h.TLS = c.tls(p.name())
	}
	return h
}

func (c *Check) overTLS(p page) bool { return p.scheme == "https" && !c.proxy }

// request writes the head of a request (RFC 9112 section 3), which is all of it.
func (c *Check) request(p page) []byte {
	method, target := http.MethodGet, p.target
	if c.head {
		method = http.MethodHead
	}
	if c.proxy {
		target = p.String()
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, p.host)
	for name, value := range c.fields(p) {
		b = fmt.Appendf(b, "%s: %s\r\n", name, value)
	}
	return append(b, "Connection: close\r\n\r\n"...)
}
