package checks

import (
	"context"
	"crypto/x509"
	"io"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/httpget"
	"github.com/shunt-lb/shunt/checks/internal/trace"
)

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

// server returns the real server of t as connections to it are made.
func (t *Target) server() *dial.Server {
	s := &dial.Server{Addr: t.Addr, ProxyProtocol: t.ProxyProtocol, Trace: t.Trace, Secrets: []string{t.Passwd, t.Secret}}
	if t.via != nil {
		s.Instead = t.via.dial
	}
	if t.Trace != nil {
		t.Trace.Hide(t.Login, s.Secrets...)
		t.Trace.Hide("", httpget.Secrets(t.Request, t.Headers)...)
	}
	return s
}

// A Note is what a check finds out beside its verdict. The zero value is
// nothing. A check writes into it until it has returned.
type Note struct {
	// Weight is what the real server asks for, nil for nothing.
	Weight *Weight
	// Admin is what the real server asks its operator for, "" for nothing.
	Admin Admin
	// Up: it says in a word that it is up. A check that is good says so without
	// words, but for an agent that only advises.
	Up bool
	// Why is what it says about that, in words fit for a status page.
	Why string
	// Expires is when the certificate that it has shown ends, zero if it has shown
	// none.
	Expires time.Time
	// Warning is what is wrong although the check succeeds, in words fit for a
	// status page; "" for nothing.
	Warning string
}

// A Weight is one that a real server asks for.
type Weight struct {
	N int
	// Percent: N is a part of the weight that is configured, and may exceed 100.
	Percent bool
}

// An Admin is a state that a real server can ask for.
type Admin string

// The states. Ready ends the others.
const (
	Ready Admin = "ready"
	Drain Admin = "drain" // no new connections
	Maint Admin = "maint" // no connections
)

// expires notes when the first of a real server's certificates ends, if
// anybody asks.
func (n *Note) expires(certs []*x509.Certificate) {
	if n != nil && len(certs) > 0 {
		n.Expires = certs[0].NotAfter
	}
}

// A Trace records what one check sent and what came back, with secrets masked.
// The zero value is ready; nil records nothing.
type Trace = trace.Trace

// A TraceEvent is one thing that a check did or was told.
type TraceEvent = trace.Event

// The kinds of what a [Trace] records.
const (
	TraceConnected = trace.Connected
	TraceTLS       = trace.TLS
	TraceSent      = trace.Sent
	TraceReceived  = trace.Received
	TraceEnded     = trace.Ended
	TraceNoted     = trace.Noted
)

// SelfSigned is how a [TraceTLS] calls a certificate that vouches for itself.
const SelfSigned = trace.SelfSigned
