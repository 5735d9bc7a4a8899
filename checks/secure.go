package checks

import (
	"context"
	"crypto/tls"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// overTLS returns the Func of a check that makes one conversation over TLS.
// verified says of a target whether its certificate is verified if nothing
// else is said.
func overTLS(name string, verified func(*Target) bool, begin func(*Target) session.Session) Func {
	return func(ctx context.Context, target Target) error {
		return attempt(ctx, name, target.Addr.String(), func() error {
			l, err := target.dial(ctx, "tcp", target.Addr)
			if err != nil {
				return err
			}
			conn := tls.Client(l, target.tlsConfig(verified(&target)))
			defer conn.Close()
			if err := conn.Handshake(); err != nil { // ends with the link
				return &failure{err: err, when: "in the TLS handshake", kind: TLS}
			}
			return converse(ctx, conn, begin(&target))
		})
	}
}

// tlsConfig is how a check speaks TLS with the real server: all versions and
// ciphers that Go has are welcome. If the certificate is verified it has to be
// trusted by this host and to name the address.
func (t *Target) tlsConfig(verified bool) *tls.Config {
	return &tls.Config{
		ServerName:         t.Addr.Addr().WithZone("").String(),
		InsecureSkipVerify: !verified,
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       everyCipher,
	}
}

// always says that the certificate is verified, as ldirectord does for imaps.
func always(*Target) bool { return true }

// withLogin says that it is verified if there is a login to protect: without
// one ldirectord calls pops well whatever the certificate.
func withLogin(t *Target) bool { return t.Login != "" }
