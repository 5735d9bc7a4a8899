package checks

import (
	"context"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/httpget"
)

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
// The real server is asked for the page, whatever page that is. Up to seven
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
// Content-Length that is no number is none, and of several the last counts. An answer without a status line is all body, as in
// HTTP/0.9, and a good one if target.Receive matches it. (ldirectord takes it
// for a good one without a pattern, too: a defect.)
func HTTP(ctx context.Context, target Target) error {
	return get(ctx, "http", &target)
}

// HTTPS is HTTP over TLS. The server is told the name in target.VirtualHost (SNI).
// Its certificate is not verified unless target.TLS says so, so that a self-signed
// one will do, and all versions and ciphers are welcome that Go has: the check asks
// whether the server works, not whether it is up to date.
func HTTPS(ctx context.Context, target Target) error {
	return get(ctx, "https", &target)
}

// HTTPProxy is HTTP with the real server as a proxy. target.Request without
// its leading slash has to be a whole URL; that is what the proxy is asked
// for. Redirects lead to other hosts as well: it is the proxy that goes there.
func HTTPProxy(ctx context.Context, target Target) error {
	return get(ctx, "http_proxy", &target)
}

func get(ctx context.Context, name string, t *Target) error {
	return attempt(ctx, name, t.Addr.String(), func() error {
		c, err := newCheck(name, t)
		switch {
		case err != nil:
			return err
		case t.HTTPVersion == 2 && name != "http_proxy":
			return c.AskByHTTP2(ctx, t.server())
		}
		return blocking.Talk(ctx, t.server(), "tcp", c.First(), httpget.NewSession(c))
	})
}

// newCheck returns what a check of HTTP asks t for.
func newCheck(name string, t *Target) (*httpget.Check, error) {
	return httpget.New(&httpget.Target{
		Addr: t.Addr, Scheme: name, Proxy: name == "http_proxy",
		Request: t.Request, VirtualHost: t.VirtualHost, Method: t.Method, Headers: t.Headers,
		Statuses: t.Statuses, BodyDigest: t.BodyDigest, Receive: t.Receive,
		TLS: t.tlsConfigs("https"),
	})
}
