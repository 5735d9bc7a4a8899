package checks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/internal/services"
)

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
	row, _ := services.Named(service)
	use := TLSOptions{Verify: row.Verifies(t.Login)}
	if t.TLS != nil {
		use = *t.TLS
	}
	c := &tls.Config{
		ServerName:   name,
		MinVersion:   tls.VersionTLS10,
		CipherSuites: everyCipher,
		// VerifyConnection does what there is to do, and sees what is wrong as well.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			t.Note.expires(s.PeerCertificates)
			return use.judge(s.PeerCertificates, name)
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

// judge reports what is wrong with the certificates of a real server.
func (o *TLSOptions) judge(certs []*x509.Certificate, name string) error {
	if o.Verify {
		if err := verify(certs, o.Roots, name); err != nil {
			return err
		}
	}
	if len(certs) > 0 && o.MinValid > 0 && time.Until(certs[0].NotAfter) < o.MinValid {
		return failure.Because(TLS, "the certificate %s, want %s more", ends(certs[0]), inDays(o.MinValid))
	}
	return nil
}

// ends says when a certificate ends or has ended.
func ends(c *x509.Certificate) string {
	if left := time.Until(c.NotAfter); left > 0 {
		return fmt.Sprintf("expires in %s, on %s", inDays(left), date(c.NotAfter))
	}
	return "expired on " + date(c.NotAfter)
}

// inDays writes a duration in whole days, from two on.
func inDays(d time.Duration) string {
	if days := d / (24 * time.Hour); days >= 2 {
		return fmt.Sprintf("%d days", days)
	}
	return d.Truncate(time.Minute).String()
}

// verify reports why the first of a real server's certificates, which has the
// others to vouch for it, is not one for name.
func verify(certs []*x509.Certificate, roots *x509.CertPool, name string) error {
	if len(certs) == 0 {
		return failure.Because(TLS, "the real server has shown no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name})
	if err == nil {
		return nil
	}
	return failure.Because(TLS, "%s", untrusted(certs[0], err))
}

// untrusted says in few words why a certificate is not trusted.
func untrusted(c *x509.Certificate, err error) string {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		if time.Now().Before(c.NotBefore) {
			return "the certificate is not valid before " + date(c.NotBefore)
		}
		if e.Cert == c {
			return "the certificate " + ends(c)
		}
		return fmt.Sprintf("the certificate of %q, which vouches for the real server's, is not valid now", quote.Short(e.Cert.Subject.CommonName))
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Sprintf("the certificate is signed by %q, whom nobody here trusts", quote.Short(c.Issuer.CommonName))
	}
	return quote.Short(err.Error())
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02") }
