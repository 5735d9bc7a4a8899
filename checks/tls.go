package checks

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// alertTime is how long a real server may take to refuse the certificate that
// it was shown.
const alertTime = time.Second

// Handshake makes a TLS handshake and says goodbye. Unless target.TLS says
// otherwise, the real server's certificate has to be trusted by this system and
// valid for the name in target.VirtualHost, or else for the address.
//
// With TLS 1.3 a real server that wants a certificate says after the handshake
// whether it takes the one that it was shown. The check waits for that word for
// a second at the most; silence is consent.
func Handshake(ctx context.Context, target Target) error {
	return attempt(ctx, "tls", target.Addr.String(), func() error {
		l, err := target.server().Dial(ctx, "tcp", target.Addr)
		if err != nil {
			return err
		}
		defer func() { _ = l.Close() }()
		c, asked := noticing(target.tlsConfig("tls"))
		conn, state, err := target.server().Secure(l, c)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if *asked && state.Version >= tls.VersionTLS13 {
			return awaitAlert(conn)
		}
		return nil
	})
}

// noticing returns c, and whether the real server has asked for a certificate.
func noticing(c *tls.Config) (*tls.Config, *bool) {
	asked, show := new(bool), c.GetClientCertificate
	c.GetClientCertificate = func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		*asked = true
		if show == nil {
			return &tls.Certificate{}, nil // none, as without this function
		}
		return show(i)
	}
	return c, asked
}

// awaitAlert waits for a real server that refuses a certificate.
func awaitAlert(conn net.Conn) error {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_ = conn.SetReadDeadline(time.Now().Add(alertTime))
	_, err := conn.Read(make([]byte, 1))
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return &failure.Cause{Err: err, When: "after the TLS handshake", Kind: TLS}
	}
	return nil
}
