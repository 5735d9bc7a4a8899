package checks

import (
	"context"
	"io"
	"net/netip"
)

// Bounds, in bytes, of what a check reads of an answer. It ignores the rest.
const (
	// MaxAnswer bounds all lines of simpletcp.
	MaxAnswer = 1 << 20
	// MaxBody bounds the body of HTTP. No more than a part of it is held.
	MaxBody = 8 << 20
)

// A Func checks target once. It returns nil if the real server is well and
// otherwise an error in words fit for a status page: "connect
// 192.0.2.1:80: connection refused", "http 192.0.2.1:80: status 503, want
// 2xx". The error is an [*Error]; it matches context.Canceled or
// context.DeadlineExceeded if the check ended for that reason. The whole
// attempt is over soon after ctx is and leaves no goroutine, descriptor or
// process behind; every Func may be called from many goroutines at once.
type Func func(ctx context.Context, target Target) error

// A Target says what to check and how. Which fields count depends on the
// check.
type Target struct {
	// Addr is the real server with the port to check.
	Addr netip.AddrPort
	// UDP: the virtual service is a UDP one.
	UDP bool
	// VirtualAddr, VirtualPort, RealAddr and RealPort are the arguments of an
	// external check, as ldirectord writes them: an IPv6 address in brackets, a
	// firewall mark as its number with port 0, port 0 for none.
	VirtualAddr, VirtualPort, RealAddr, RealPort string
	Command                                      string // of an external check
	Request                                      string
	Receive                                      Matcher // nil: anything will do
	Method                                       string  // GET or HEAD
	VirtualHost                                  string
	// Statuses are those that are good to checks of HTTP, as package statuses
	// reads them; "" is 2xx.
	Statuses string
	// Headers are more fields of a request of HTTP: lines "Name: value".
	Headers string
	// HTTPVersion is 2 for HTTP/2, everything else is HTTP/1.1.
	HTTPVersion int
	// BodyDigest is the SHA-256 that a body of HTTP has, in hexadecimal, "" for
	// any.
	BodyDigest                      string
	Login, Passwd, Database, Secret string
	// CommandWeight says whether the exit status of an external check is a
	// weight, and of what sort.
	CommandWeight CommandWeight
	// File is what a file check reads: a file, or a folder.
	File string
	// TLS is how checks over TLS speak it, nil for what is usual for the service.
	TLS *TLSOptions
	// Note is where a check writes what it finds out beside its verdict, nil if
	// nobody asks.
	Note *Note
	// ProxyProtocol is the version of the PROXY protocol that the real server
	// wants connections to Addr to begin with: checks over TCP and simpletcp
	// then do. 0 is none.
	ProxyProtocol int
	// Reset has connections of checks that a [Loop] makes closed by a reset, and
	// those of connect.
	Reset bool
	// Attempts is how many echo requests a ping check may send; each may
	// take an equal share of the time left. Below 1 is 1.
	Attempts int
	// Trace records what is sent and what comes back; nil: nobody asks.
	Trace *Trace

	via *via // how connections to Addr go to its VIP instead, nil if they do not
}

// A Matcher decides about what a real server answered.
type Matcher interface {
	// Match reports whether an answer is a good one. It reads no more of it
	// than it has to and treats an error of answer as its end. Soon after ctx
	// is done it returns ctx's error, whatever the answer.
	Match(ctx context.Context, answer io.Reader) (bool, error)
	String() string
}

// A quick Matcher knows how long it takes for an answer that is there.
type quick interface {
	// MatchNow is Match for an answer in memory, if it takes no more than some
	// milliseconds: decided is false if it may. It allocates nothing for an
	// answer in ASCII.
	MatchNow(answer []byte) (matched, decided bool)
}

// matchNow matches what can be matched within milliseconds.
func matchNow(want Matcher, answer []byte) (matched, decided bool) {
	if q, ok := want.(quick); ok {
		return q.MatchNow(answer)
	}
	return false, false
}

// For returns the check of a name: connect, ping, external, external-perl, or
// a service as the directive service names it (http, https, ...).
func For(name string) (Func, bool) {
	f, ok := byName[name]
	return f, ok
}

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
