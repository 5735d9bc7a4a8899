package checks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// TestKindOfSystemErrors gives attempt what the system and the libraries say,
// as they wrap it.
func TestKindOfSystemErrors(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Err: err} }
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{&failure.Cause{Err: dial(unix.ECONNREFUSED)}, Refused},
		{&failure.Cause{Err: dial(unix.EHOSTUNREACH)}, Unreachable},
		{&failure.Cause{Err: dial(unix.ENETUNREACH)}, Unreachable},
		{&failure.Cause{Err: dial(unix.ETIMEDOUT)}, Timeout},
		{&failure.Cause{Err: dial(unix.ECONNRESET)}, Closed},
		{&failure.Cause{Err: dial(unix.EPIPE), When: "in the TLS handshake", Kind: TLS}, Closed},
		{&failure.Cause{Err: dial(unix.EADDRNOTAVAIL)}, Resource},
		{&failure.Cause{Err: fmt.Errorf("start: %w", unix.ENOMEM), Kind: Command}, Resource},
		{fmt.Errorf("open a socket for ICMP: %w", unix.EMFILE), Resource},
		{fmt.Errorf("needs a right: %w", unix.EPERM), Other},
		{&failure.Cause{Err: tls.RecordHeaderError{}, Kind: TLS}, TLS},
		{&failure.Cause{Err: x509.UnknownAuthorityError{}, Kind: TLS}, TLS},
		{failure.Because(Unreachable, "%s, says 192.0.2.254", "host prohibited"), Unreachable},
		{fmt.Errorf("redirected: %w", failure.Because(Protocol, "timed out")), Protocol},
		{&failure.Cause{Err: failure.Because(Protocol, "malformed"), Kind: TLS, Where: "redirected"}, Protocol},
		{errors.New("connection refused"), Other},
	} {
		err := attempt(t.Context(), "http", "ADDR", func() error { return c.err })
		if got := KindOf(err); got != c.want {
			t.Errorf("%v: %q, want %q", err, got, c.want)
		}
	}
}
