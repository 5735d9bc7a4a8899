// Package checks finds out whether a real server is well: one attempt, one
// error that says why not.
//
// A check does nothing else. It counts nothing, logs nothing, keeps nothing
// and ends when its context does, whatever the other side is up to. What
// results mean over time is the director's business.
//
// # What is checked
//
//	connect        a TCP connection can be made
//	ping           an ICMP echo request is answered, IPv4 and IPv6
//	external       a program ends with exit status 0
//	external-perl  the same, run by perl
//	http, https    an answer with status 2xx whose body matches
//	http_proxy     the same, asked of the real server as a proxy
//	agent          an agent's line, as haproxy has it, does not say down
//	file           the same in a file of this host
//	tls            a handshake can be made, with a certificate that is trusted
//	simpletcp      a line of the answer matches
//	dns            a record matches
//	mysql, pgsql   a query has a row; oracle, in a build with that tag
//	ldap, ldaps    there is an entry
//	radius         a user may log in
//	grpc           the health service says SERVING
//	none           nothing: always well
//
// # Where the rules come from
//
// A server that ldirectord calls well has to be well here. The rules are
// ldirectord's as it was observed to work (4.12), not as its manual page has
// them. Where its behaviour is a defect the check does what the manual page
// promises, and the function's comment says so. In short:
//
//   - A ping of an IPv6 address can succeed, and all attempts together keep
//     within the timeout.
//   - A program that was ended by a signal has failed, and its whole process
//     group ends with the check.
//   - https tells the server the name of the virtual host (SNI) and takes any
//     certificate.
//   - Only the real server can vouch for itself. Redirects and absolute
//     request URLs are asked of the real server and never of another host.
//   - simpletcp without a receive pattern succeeds with any answer, whatever
//     the request.
//   - No answer is read without a bound: see [MaxAnswer] and [MaxBody].
//   - A pattern is matched no longer than the check may last.
//
// HTTP follows RFC 9110 and RFC 9112, ping RFC 792 and RFC 4443.
//
// A check that needs no more than a connection and a few bytes is a session,
// a state machine. Its [Func] drives it by blocking calls; a [Loop] drives
// thousands from one goroutine, for who repeats them. Both find the same.
//
// Why a check failed is said in words, for people, and as a [Kind], for metrics
// and programs.
package checks

import (
	"context"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/httpget"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/internal/services"
)

// Bounds, in bytes, of what a check reads of an answer. It ignores the rest.
const (
	// MaxAnswer bounds all lines of simpletcp.
	MaxAnswer = 1 << 20
	// MaxBody bounds the body of HTTP. No more than a part of it is held.
	MaxBody = httpget.MaxBody
)

// A Func checks target once. It returns nil if the real server is well and
// otherwise an error in words fit for a status page: "connect
// 192.0.2.1:80: connection refused", "http 192.0.2.1:80: status 503, want
// 2xx". The error is an [*Error]; it matches context.Canceled or
// context.DeadlineExceeded if the check ended for that reason. The whole
// attempt is over soon after ctx is and leaves no goroutine, descriptor or
// process behind; every Func may be called from many goroutines at once.
type Func func(ctx context.Context, target Target) error

// For returns the check of a name: connect, ping, external, external-perl, or
// a service as the directive service names it (http, https, ...).
func For(name string) (Func, bool) {
	f, ok := byName[name]
	return f, ok
}

// None asks nothing: every real server is well.
func None(context.Context, Target) error { return nil }

// Missing says what to do about a service of which For knows no check.
func Missing(name string) string {
	if name == oracleName {
		return "build shunt with it: make TAGS='urfave_cli_no_docs oracle', or use checktype=connect or checktype=external"
	}
	return "use checktype=connect, checktype=external or a service that is supported"
}

// oracleName is the service of which there is a check with the build tag of
// that name alone.
const oracleName = "oracle"

var byName = map[string]Func{
	"connect":       Connect,
	"ping":          Ping,
	"external":      External,
	"external-perl": ExternalPerl,

	"dns":        DNS,
	"ftp":        FTP,
	"grpc":       GRPC,
	"http":       HTTP,
	"http_proxy": HTTPProxy,
	"https":      HTTPS,
	"imap":       over("imap", streams, newIMAP),
	"imaps":      over("imaps", streams, newIMAP),
	"ldap":       LDAP,
	"ldaps":      LDAPS,
	"mysql":      MySQL,
	"nntp":       over("nntp", streams, newNNTP),
	"none":       None,
	"pgsql":      PgSQL,
	"pop":        over("pop", streams, newPOP),
	"pops":       over("pops", streams, newPOP),
	"radius":     Radius,
	"redis":      over("redis", streams, newRedis),
	"simpletcp":  SimpleTCP,
	"sip":        SIP,
	"smtp":       over("smtp", streams, newSMTP),
	"submission": over("submission", streams, newSMTP),
	"agent":      Agent,
	"file":       File,
	"tls":        Handshake,
	"udp":        over("udp", byDatagrams, newUDP),
}

// over returns the Func of the check of a service that makes one conversation
// over TCP, over TLS if the service speaks it, or over UDP where udp says so of a
// target. begin makes the session of a target.
func over(name string, udp func(*Target) bool, begin func(*Target) session.Session) Func {
	service, _ := services.Named(name)
	return func(ctx context.Context, target Target) error {
		return attempt(ctx, name, target.Addr.String(), func() error {
			network, hop := "tcp", session.Hop{Addr: target.Addr}
			if udp(&target) {
				network = "udp"
			}
			if service.TLS != services.NoTLS {
				hop.TLS = target.tlsConfig(name)
			}
			return blocking.Talk(ctx, target.server(), network, hop, begin(&target))
		})
	}
}

// streams says of every target that it is checked over TCP, see over.
func streams(*Target) bool { return false }
