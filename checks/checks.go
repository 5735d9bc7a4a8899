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
