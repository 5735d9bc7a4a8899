package checks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// maxRedirects is how many redirects a check follows, as many as ldirectord.
const maxRedirects = 7

// HTTP asks for one page by GET or, if target.Method says so, HEAD, without
// keep-alive, compression, cookies or proxy. It succeeds if the final status
// is 2xx, or in target.Statuses, and target.Receive, unless it is nil, matches
// the body, which has the digest in target.BodyDigest. A redirect whose status is
// wanted is not followed.
//
// The page is http:// with the real server's address and target.Request,
// which may have a leading slash or not; blanks and all that is not ASCII are
// percent-encoded. The Host header is target.VirtualHost, or else the address
// without a port. A request that is a whole URL says everything itself: its
// host goes into the Host header, its scheme decides about TLS.
//
// Whatever the page, it is the real server that is asked for it. Up to seven
// redirects are followed, all of them at the real server's address, with the
// Host header that the new URL asks for: at the checked port if the URL's port
// is the first one's, and otherwise at the URL's port. (ldirectord asks the
// host of the URL instead, a defect: it calls a server well because another
// one answers.)
//
// If the time is over or the connection ends in the middle of the body of a
// 2xx answer, or the body goes on after MaxBody, the part that has arrived
// counts.
//
// An answer is read as leniently as ldirectord does, as long as it is clear:
// header lines that are not needed are passed over whatever is in them, a
// Content-Length that is no number is none, and two equal ones are one; two
// that differ are a failure. An answer without a status line is all body, as in
// HTTP/0.9, and a good one if target.Receive matches it. (ldirectord takes it
// for a good one without a pattern, too: a defect.)
func HTTP(ctx context.Context, target Target) error {
	return get(ctx, &visit{check: "http", scheme: "http", target: target})
}

// HTTPS is HTTP over TLS. The server is told the name in target.VirtualHost
// (SNI); its certificate is not verified unless target.TLS says so, so that a
// self-signed one will do, and all versions and ciphers are welcome that Go has: the check asks whether
// the server works, not whether it is up to date.
func HTTPS(ctx context.Context, target Target) error {
	return get(ctx, &visit{check: "https", scheme: "https", target: target})
}

// HTTPProxy is HTTP with the real server as a proxy. target.Request without
// its leading slash has to be a whole URL; that is what the proxy is asked
// for. Redirects lead to other hosts as well: it is the proxy that goes there.
func HTTPProxy(ctx context.Context, target Target) error {
	return get(ctx, &visit{check: "http_proxy", target: target, proxy: true})
}

// A visit is one check with all its redirects.
type visit struct {
	check  string
	scheme string // of a request that has none
	proxy  bool
	target Target
	first  page
}

func get(ctx context.Context, v *visit) error {
	return attempt(ctx, v.check, v.target.Addr.String(), func() error {
		if err := v.prepare(); err != nil {
			return err
		}
		if v.target.HTTPVersion == 2 && !v.proxy {
			return v.walk2(ctx)
		}
		return blocking.Talk(ctx, v.target.server(), "tcp", *v.hop(v.first), newHTTPSession(v))
	})
}

// prepare finds the first page.
func (v *visit) prepare() (err error) {
	v.useDigest()
	if v.head() && v.target.Receive != nil {
		return fmt.Errorf("an answer to HEAD has no body: receive %q can never match", v.target.Receive)
	}
	v.first, err = v.start()
	return err
}

// redirected says about an error where the real server was asked for p.
func (v *visit) redirected(p page, err error) error {
	where := fmt.Sprintf("redirected to %s: %s", quote.Short(p.String()), v.door(p))
	if f, ok := errors.AsType[*failure.Cause](err); ok {
		return &failure.Cause{Err: f.Err, When: f.When, Where: where, Kind: f.Kind}
	}
	return fmt.Errorf("%s: %w", where, err)
}

// start is the page that the request means.
func (v *visit) start() (page, error) {
	request := encode(strings.TrimPrefix(v.target.Request, "/"))
	if p, ok := parsePage(request); ok {
		return p, p.check()
	}
	if v.proxy {
		return page{}, fmt.Errorf("request %q is not a whole URL, which a proxy needs", request)
	}
	p := page{scheme: v.scheme, host: v.target.VirtualHost, target: "/" + request}
	if p.host == "" {
		p.host = bracketed(v.target.Addr.Addr())
	}
	return p, p.check()
}

// door is where the real server is asked for p.
func (v *visit) door(p page) netip.AddrPort {
	if v.proxy || p.scheme == v.first.scheme && p.port() == v.first.port() {
		return v.target.Addr
	}
	return netip.AddrPortFrom(v.target.Addr.Addr(), p.port())
}

func (v *visit) head() bool { return strings.EqualFold(v.target.Method, "HEAD") }

// hop is the connection over which the real server is asked for p. Each page has
// one of its own.
func (v *visit) hop(p page) *session.Hop {
	h := &session.Hop{Addr: v.door(p)}
	if v.overTLS(p) {
		h.TLS = v.target.tlsConfigNamed("https", p.name())
	}
	return h
}

func (v *visit) overTLS(p page) bool { return p.scheme == "https" && !v.proxy }

// request writes the head of a request (RFC 9112 section 3), which is all of it.
func (v *visit) request(p page) []byte {
	method, target := http.MethodGet, p.target
	if v.head() {
		method = http.MethodHead
	}
	if v.proxy {
		target = p.String()
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, p.host)
	for name, value := range v.fields(p) {
		b = fmt.Appendf(b, "%s: %s\r\n", name, value)
	}
	return append(b, "Connection: close\r\n\r\n"...)
}
