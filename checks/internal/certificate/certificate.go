// Package certificate says what is wrong with the certificates that a real server
// has shown.
package certificate

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
)

// Lasts reports whether the first of a real server's certificates is valid for
// so long, if it has shown any.
func Lasts(certs []*x509.Certificate, least time.Duration) error {
	if len(certs) > 0 && least > 0 && time.Until(certs[0].NotAfter) < least {
		return failure.Because(failure.TLS, "the certificate %s, want %s more", ends(certs[0]), inDays(least))
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

// Verify reports why the first of a real server's certificates, which has the
// others to vouch for it, is not one for name.
func Verify(certs []*x509.Certificate, roots *x509.CertPool, name string) error {
	if len(certs) == 0 {
		return failure.Because(failure.TLS, "the real server has shown no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name})
	if err == nil {
		return nil
	}
	return failure.Because(failure.TLS, "%s", untrusted(certs[0], err))
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
