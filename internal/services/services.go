// Package services is the table of the services that the directive `service`
// names: one row says everything that the configuration, the checks, the
// director and the sorry server know about a service beside how to check it.
//
// A new check is a row here and a file in package checks.
//
// The package imports nothing of the project.
package services

// A Service is one row of the table.
type Service struct {
	Name string // as the directive `service` has it
	// Port is where the service usually is: a section on that port has this
	// service when it names none, and checks go there when no other port is
	// known. 0 is none.
	Port uint16
	// Uses are the directives that a check looks at.
	Uses Directives
	// Query: a check logs in and makes the query that `request` is, and fails
	// without either.
	Query bool
	// Search: a check looks for `receive` in the answer to `request`, and fails
	// without either.
	Search bool
	// Datagram: `request` is what Payload makes a datagram of.
	Datagram bool
	// URL says how a check makes a URL of `request`.
	URL URL
	// TLS says whether a check speaks TLS, and what it then looks at unless
	// `verify` says otherwise.
	TLS TLS
	// Login and Passwd are what a check uses when the directives say nothing;
	// HOST stands for the name of this host.
	Login, Passwd string
	// Sorry is how the sorry server answers a client.
	Sorry Answer
	// Line is what it says with SorryLine, without the end of the line; HOST
	// stands for the address that the client has connected to.
	Line string
}

// Directives are a set of directives that a check of a service may look at.
type Directives uint

// The directives.
const (
	Request Directives = 1 << iota
	Receive
	Method // httpmethod
	VirtualHost
	Login
	Passwd
	Database
	Secret
	// Protocol is that of the virtual service: the check goes over UDP or TCP
	// as the clients do. All other checks go over one of them always.
	Protocol
	// Web are receivestatus, header, httpversion and bodydigest.
	Web
	// CheckFile is checkfile: the check asks no port.
	CheckFile
)

// Has reports whether all of those are in d.
func (d Directives) Has(those Directives) bool { return d&those == those }

// A URL is how a check makes a URL of `request`.
type URL int

// The ways.
const (
	NoURL    URL = iota
	OwnURL       // of the service's scheme, the real server and a path, or as it is if it has a scheme
	WholeURL     // as it is: asked of the real server as a proxy
)

// A TLS is how a check of a service speaks TLS.
type TLS int

// The ways.
const (
	NoTLS       TLS = iota
	AnyTLS          // with any certificate
	VerifiedTLS     // with one that is trusted, and valid for the name of the real server
	LoginTLS        // with such a one if there is a login, else with any
)

// An Answer is how the sorry server answers a client.
type Answer int

// The answers.
const (
	SorryGuess Answer = iota // a page if the client begins as HTTP clients do, else a reset
	SorryPage                // an HTTP page
	SorryLine                // one line in place of a greeting
	SorryDNS                 // SERVFAIL
	SorryReset               // a reset: the protocol has no short way to say sorry
)

const (
	web = Request | Receive | Method | VirtualHost | Web
	sql = Login | Passwd | Database | Request
)

// table is in alphabetical order. The lines are those of RFC 5321, section
// 3.8 (smtp), RFC 959, section 5.4 (ftp), RFC 3501, section 7.1.5, with RFC
// 5530 (imap), RFC 1939 with RFC 3206 (pop), RFC 3977, section 5.1 (nntp).
var table = []Service{
	{Name: "agent", Uses: Request},
	{Name: "dns", Port: 53, Uses: Request | Receive | Protocol, Search: true, Sorry: SorryDNS},
	{Name: "file", Uses: CheckFile},
	{
		Name: "ftp", Port: 21, Uses: Request | Receive | Login | Passwd, Login: "anonymous", Passwd: "ldirectord@HOST",
		Sorry: SorryLine, Line: "421 Service not available, closing control connection.",
	},
	{Name: "grpc", Uses: Request | VirtualHost, Sorry: SorryReset},
	{Name: "http", Port: 80, Uses: web, URL: OwnURL, Sorry: SorryPage},
	{Name: "https", Port: 443, Uses: web, TLS: AnyTLS, URL: OwnURL, Sorry: SorryReset},
	{Name: "http_proxy", Port: 3128, Uses: web, URL: WholeURL, Sorry: SorryPage},
	{Name: "imap", Port: 143, Uses: Login | Passwd, Sorry: SorryLine, Line: "* BYE [UNAVAILABLE] Service temporarily unavailable"},
	{Name: "imaps", Port: 993, Uses: Login | Passwd, TLS: VerifiedTLS, Sorry: SorryReset},
	{Name: "ldap", Port: 389, Uses: Request | Receive | Login | Passwd, Sorry: SorryReset},
	{Name: "ldaps", Port: 636, Uses: Request | Receive | Login | Passwd, TLS: AnyTLS, Sorry: SorryReset},
	{Name: "mysql", Port: 3306, Uses: sql, Query: true, Sorry: SorryReset},
	{Name: "nntp", Port: 119, Sorry: SorryLine, Line: "400 Service temporarily unavailable"},
	{Name: "none"},
	{Name: "oracle", Port: 1521, Uses: sql, Query: true, Sorry: SorryReset},
	{Name: "pgsql", Port: 5432, Uses: sql, Query: true, Sorry: SorryReset},
	{Name: "pop", Port: 110, Uses: Login | Passwd, Sorry: SorryLine, Line: "-ERR [SYS/TEMP] Service temporarily unavailable"},
	{Name: "pops", Port: 995, Uses: Login | Passwd, TLS: LoginTLS, Sorry: SorryReset},
	{Name: "radius", Port: 1812, Uses: Login | Passwd | Secret, Sorry: SorryReset},
	{Name: "redis", Uses: Login | Passwd | Request | Receive, Sorry: SorryLine, Line: "-ERR service temporarily unavailable"},
	{Name: "simpletcp", Uses: Request | Receive | Protocol},
	{Name: "sip", Port: 5060, Uses: Login | Protocol, Login: "ldirectord@HOST", Sorry: SorryReset},
	{Name: "smtp", Port: 25, Sorry: SorryLine, Line: "421 HOST Service not available, closing transmission channel"},
	{Name: "submission", Port: 587, Sorry: SorryLine, Line: "421 HOST Service not available, closing transmission channel"},
	{Name: "tls", Uses: VirtualHost, TLS: VerifiedTLS, Sorry: SorryReset},
	{Name: "udp", Uses: Request | Receive, Datagram: true},
}

// Verifies reports whether a check of s, with a login or "", looks at the
// certificate if nothing else is said.
func (s Service) Verifies(login string) bool {
	return s.TLS == VerifiedTLS || s.TLS == LoginTLS && login != ""
}

// None is the name of the service of which there is no check.
const None = "none"

// Named returns the service of a name, and false with an empty service if
// there is none.
func Named(name string) (Service, bool) {
	for _, s := range table {
		if s.Name == name {
			return s, true
		}
	}
	return Service{}, false
}

// On returns the name of the service that is usual on port, [None] if there is
// none.
func On(port uint16) string {
	for _, s := range table {
		if s.Port == port && port != 0 {
			return s.Name
		}
	}
	return None
}

// Names returns the names of all services, in the order of the alphabet.
func Names() []string {
	names := make([]string, len(table))
	for i, s := range table {
		names[i] = s.Name
	}
	return names
}
