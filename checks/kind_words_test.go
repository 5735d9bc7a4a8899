package checks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKindOfSystemErrors gives attempt what the system and the libraries say,
// as they wrap it.
func TestKindOfSystemErrors(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Err: err} }
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{&failure{err: dial(unix.ECONNREFUSED)}, Refused},
		{&failure{err: dial(unix.EHOSTUNREACH)}, Unreachable},
		{&failure{err: dial(unix.ENETUNREACH)}, Unreachable},
		{&failure{err: dial(unix.ETIMEDOUT)}, Timeout},
		{&failure{err: dial(unix.ECONNRESET)}, Closed},
		{&failure{err: dial(unix.EPIPE), when: "in the TLS handshake", kind: TLS}, Closed},
		{&failure{err: dial(unix.EADDRNOTAVAIL)}, Resource},
		{&failure{err: fmt.Errorf("start: %w", unix.ENOMEM), kind: Command}, Resource},
		{fmt.Errorf("open a socket for ICMP: %w", unix.EMFILE), Resource},
		{fmt.Errorf("needs a right: %w", unix.EPERM), Other},
		{&failure{err: tls.RecordHeaderError{}, kind: TLS}, TLS},
		{&failure{err: x509.UnknownAuthorityError{}, kind: TLS}, TLS},
		{because(Unreachable, "%s, says 192.0.2.254", "host prohibited"), Unreachable},
		{fmt.Errorf("redirected: %w", because(Protocol, "timed out")), Protocol},
		{&failure{err: because(Protocol, "malformed"), kind: TLS, where: "redirected"}, Protocol},
		{errors.New("connection refused"), Other},
	} {
		err := attempt(t.Context(), "http", "ADDR", func() error { return c.err })
		if got := KindOf(err); got != c.want {
			t.Errorf("%v: %q, want %q", err, got, c.want)
		}
	}
}
