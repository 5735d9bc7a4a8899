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

// A Visit is one check with all its redirects: what is asked for, and what a good
// answer is. The fields are those of checks.Target, and do not change after
// Prepare.
type Visit struct {
	Addr   netip.AddrPort
	Scheme string // of a request that has none
	Proxy  bool   // the real server is asked for whole URLs

	Request, VirtualHost, Method, Headers string
	Statuses, BodyDigest                  string
	Receive                               match.Matcher
	// TLS returns how to speak TLS with a host of that name.
	TLS func(name string) *tls.Config

	first page
}

// Prepare finds the first page. Its error is one of the configuration.
func (v *Visit) Prepare() (err error) {
	v.useDigest()
	if v.head() && v.Receive != nil {
		return fmt.Errorf("an answer to HEAD has no body: receive %q can never match", v.Receive)
	}
	v.first, err = v.start()
	return err
}

// redirected says about an error where the real server was asked for p.
func (v *Visit) redirected(p page, err error) error {
	where := fmt.Sprintf("redirected to %s: %s", quote.Short(p.String()), v.door(p))
	if f, ok := errors.AsType[*failure.Cause](err); ok {
		return &failure.Cause{Err: f.Err, When: f.When, Where: where, Kind: f.Kind}
	}
	return fmt.Errorf("%s: %w", where, err)
}

// start is the page that the request means.
func (v *Visit) start() (page, error) {
	request := encode(strings.TrimPrefix(v.Request, "/"))
	if p, ok := parsePage(request); ok {
		return p, p.check()
	}
	if v.Proxy {
		return page{}, fmt.Errorf("request %q is not a whole URL, which a proxy needs", request)
	}
	p := page{scheme: v.Scheme, host: v.VirtualHost, target: "/" + request}
	if p.host == "" {
		p.host = bracketed(v.Addr.Addr())
	}
	return p, p.check()
}

// door is where the real server is asked for p.
func (v *Visit) door(p page) netip.AddrPort {
	if v.Proxy || p.scheme == v.first.scheme && p.port() == v.first.port() {
		return v.Addr
	}
	return netip.AddrPortFrom(v.Addr.Addr(), p.port())
}

func (v *Visit) head() bool { return strings.EqualFold(v.Method, "HEAD") }

// First returns the connection over which the real server is asked first.
func (v *Visit) First() session.Hop { return *v.hop(v.first) }

// hop is the connection over which the real server is asked for p. Each page has
// one of its own.
func (v *Visit) hop(p page) *session.Hop {
	h := &session.Hop{Addr: v.door(p)}
	if v.overTLS(p) {
		h.TLS = v.TLS(p.name())
	}
	return h
}

func (v *Visit) overTLS(p page) bool { return p.scheme == "https" && !v.Proxy }

// request writes the head of a request (RFC 9112 section 3), which is all of it.
func (v *Visit) request(p page) []byte {
	method, target := http.MethodGet, p.target
	if v.head() {
		method = http.MethodHead
	}
	if v.Proxy {
		target = p.String()
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, p.host)
	for name, value := range v.fields(p) {
		b = fmt.Appendf(b, "%s: %s\r\n", name, value)
	}
	return append(b, "Connection: close\r\n\r\n"...)
}
