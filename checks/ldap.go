package checks

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/library"
	"github.com/shunt-lb/shunt/checks/internal/match"
)

// maxDirectory is how many bytes of a directory's answers are read. The library
// makes a hundred bytes of one, at the worst.
const maxDirectory = 16 << 10

// LDAP binds as target.Login if it and target.Passwd are set, else as nobody,
// and looks for the entry target.Request without its leading slash, the root of
// the directory if that is empty. The check succeeds if there is exactly one
// and target.Receive matches its name as the real server spells it. A reference
// is no entry, and an entry before an error is none, but for sizeLimitExceeded;
// ldirectord takes it: a defect.
func LDAP(ctx context.Context, target Target) error { return directory(ctx, "ldap", target) }

// LDAPS is LDAP over TLS, whatever the certificate unless
// target.TLS wants a good one.
func LDAPS(ctx context.Context, target Target) error { return directory(ctx, "ldaps", target) }

func directory(ctx context.Context, name string, target Target) error {
	return attempt(ctx, name, target.Addr.String(), func() error {
		var begin func(*dial.Link) (net.Conn, error)
		if name == "ldaps" {
			begin = func(l *dial.Link) (net.Conn, error) {
				conn, _, err := target.server().Secure(l, target.tlsConfig(name))
				return conn, err
			}
		}
		return library.Connect(ctx, target.server(), maxDirectory, begin, func(w *library.Conn) error { return askLDAP(ctx, &target, w) })
	})
}

// askLDAP binds and searches on w.
func askLDAP(ctx context.Context, t *Target, w *library.Conn) error {
	l := ldap.NewConn(&ldapConn{Conn: w}, false)
	if deadline, ok := ctx.Deadline(); ok {
		// The wire ends before that; it is for what goes on in the background.
		l.SetTimeout(time.Until(deadline) + time.Second)
	}
	l.Start()
	defer func() {
		_ = w.Close() // nothing in the background can wait for the real server any more
		_ = l.Close()
	}()
	t.Trace.Note(TraceNoted, "binds as %q and looks for the entry %q", t.Login, strings.TrimPrefix(t.Request, "/"))
	bind := func() error { return l.UnauthenticatedBind("") }
	if t.Login != "" && t.Passwd != "" {
		bind = func() error { return l.Bind(t.Login, t.Passwd) }
	}
	if err := bind(); err != nil {
		return ldapError(w, l, err, library.UntilLogin)
	}
	found, err := l.Search(&ldap.SearchRequest{
		BaseDN: strings.TrimPrefix(t.Request, "/"), Scope: ldap.ScopeBaseObject,
		Filter: "(objectClass=*)", Attributes: []string{"1.1"}, // none
	})
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return ldapError(w, l, err, "while waiting for the entry")
	}
	return judgeEntry(ctx, t, w, found)
}

// An ldapConn finds out by its first byte who speaks another protocol, and not
// by waiting for the length that it seems to have sent.
type ldapConn struct {
	*library.Conn
	read bool
}

const ldapMessage = 0x30 // a SEQUENCE (RFC 4511, section 4.1.1)

// Read reads from a directory alone.
func (c *ldapConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.read && b[0] != ldapMessage {
		return 0, c.Failed(failure.Because(Protocol, "the answer begins with %q, which is not LDAP", b[:min(n, 8)]))
	}
	c.read = c.read || n > 0
	return n, err
}

// judgeEntry judges what was found.
func judgeEntry(ctx context.Context, t *Target, w *library.Conn, found *ldap.SearchResult) error {
	if n := len(found.Entries); n != 1 {
		return failure.Because(Mismatch, "%d entries, want 1", n)
	}
	if t.Receive == nil {
		return nil
	}
	name := found.Entries[0].DN
	switch ok, err := t.Receive.Match(ctx, strings.NewReader(name)); {
	case err != nil:
		return match.Interrupted(err)
	case !ok:
		return failure.Because(Mismatch, "the entry %q does not match %q", w.Plain(name), t.Receive)
	}
	return nil
}

// ldapError says why a request has failed. Those of the library's own codes,
// from 200 on, are about the connection.
func ldapError(w *library.Conn, l *ldap.Conn, err error, when string) error {
	said, ok := errors.AsType[*ldap.Error](err)
	if !ok || said.ResultCode >= ldap.ErrorNetwork {
		return w.Why(errors.Join(l.GetLastError(), err), when)
	}
	text := ldap.LDAPResultCodeMap[said.ResultCode]
	if detail := w.Plain(said.Err); detail != "" {
		text += ": " + detail
	}
	kind := Status
	if when == library.UntilLogin && ldapLogins[said.ResultCode] {
		kind = Auth
	}
	return failure.Because(kind, "error %d: %s", said.ResultCode, text)
}

// ldapLogins are the results that say that a bind was not accepted (RFC 4511,
// appendix A).
var ldapLogins = map[uint16]bool{
	ldap.LDAPResultAuthMethodNotSupported: true, ldap.LDAPResultStrongAuthRequired: true,
	ldap.LDAPResultConfidentialityRequired: true, ldap.LDAPResultInappropriateAuthentication: true,
	ldap.LDAPResultInvalidCredentials: true, ldap.LDAPResultInsufficientAccessRights: true,
	ldap.LDAPResultNoSuchObject: true, ldap.LDAPResultInvalidDNSyntax: true,
}
