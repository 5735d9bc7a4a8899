package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/certificate"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/internal/services"
)

// alertTime is how long a real server may take to refuse the certificate that
// it was shown.
const alertTime = time.Second

// Handshake makes a TLS handshake and closes the connection in the orderly way. Unless target.TLS says
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

// A TLSOptions says how a check speaks TLS. It does not change once it is in use.
type TLSOptions struct {
	// Verify: the certificate has to be trusted, and valid for the name or the
	// address of the real server.
	Verify bool
	// MinValid: the certificate must not expire sooner, whether it is verified or
	// not; 0 is not looked at.
	MinValid time.Duration
	// Roots are whom to trust, nil for those of the system.
	Roots *x509.CertPool
	// Client is shown to a real server that asks for a certificate, nil for
	// none.
	Client *tls.Certificate
}

// tlsConfig returns how to speak TLS with t for a check of a service: as t.TLS
// says or else as is usual for the service. The real server is told the name in
// t.VirtualHost (SNI), if there is one.
func (t *Target) tlsConfig(service string) *tls.Config {
	name := (&url.URL{Host: t.VirtualHost}).Hostname()
	if name == "" {
		name = t.Addr.Addr().Unmap().WithZone("").String()
	}
	return t.tlsConfigNamed(service, name)
}

// tlsConfigNamed is tlsConfig for a real server that is known by name, or by an
// address, which it is not told.
//
// It has every version and cipher that Go can speak. That leaves out DHE, and
// AES256-SHA256 with CBC, so that a server that offers nothing else cannot be
// checked over TLS.
func (t *Target) tlsConfigNamed(service, name string) *tls.Config {
	return t.tlsConfigs(service)(name)
}

// tlsConfigs returns tlsConfigNamed for a service. It does not keep t.
func (t *Target) tlsConfigs(service string) func(name string) *tls.Config {
	row, _ := services.Named(service)
	usual, options, note := row.Verifies(t.Login), t.TLS, t.Note
	return func(name string) *tls.Config {
		use := TLSOptions{Verify: usual}
		if options != nil {
			use = *options
		}
		return use.config(name, note)
	}
}

// config returns how to speak TLS with a real server of a name. note may be nil.
func (use TLSOptions) config(name string, note *Note) *tls.Config {
	c := &tls.Config{
		ServerName:   name,
		MinVersion:   tls.VersionTLS10,
		CipherSuites: everyCipher,
		// VerifyConnection does what there is to do, and sees what is wrong as well.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			note.expires(s.PeerCertificates)
			if use.Verify {
				if err := certificate.Verify(s.PeerCertificates, use.Roots, name); err != nil {
					return err
				}
			}
			return certificate.Lasts(s.PeerCertificates, use.MinValid)
		},
	}
	if use.Client != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return use.Client, nil }
	}
	return c
}

var everyCipher = func() (ids []uint16) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, s.ID)
	}
	return ids
}()
