package trace

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// A Conn is a connection whose traffic a Trace records.
type Conn struct {
	net.Conn
	t     *Trace
	quiet atomic.Bool
}

// Over returns conn with its traffic recorded.
func (t *Trace) Over(conn net.Conn) *Conn { return &Conn{Conn: conn, t: t} }

// Quiet ends the recording: what follows is TLS.
func (c *Conn) Quiet() { c.quiet.Store(true) }

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.quiet.Load() {
		return n, err
	}
	c.t.Data(Received, b[:n])
	switch {
	case errors.Is(err, io.EOF):
		c.t.Note(Ended, "the real server closes the connection")
	case err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded):
		c.t.Note(Ended, "%s", bare(err))
	}
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if !c.quiet.Load() {
		c.t.Data(Sent, b[:n])
	}
	return n, err
}

// CloseWrite closes the sending direction of a connection that has two.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Dialed records that a connection to addr was made in so much time, or err.
func (t *Trace) Dialed(network, addr string, conn net.Conn, began time.Time, err error) {
	if t == nil {
		return
	}
	took := time.Since(began).Round(10 * time.Microsecond)
	if err != nil {
		t.Note(Connected, "%s %s: %s, after %s", network, addr, bare(err), took)
		return
	}
	t.Note(Connected, "%s %s from %s, in %s", network, addr, conn.LocalAddr(), took)
}

// Handshake records how a TLS handshake has ended.
func (t *Trace) Handshake(state tls.ConnectionState, err error) {
	if t == nil {
		return
	}
	if err != nil {
		t.Note(TLS, "handshake failed: %s", err)
		return
	}
	t.Note(TLS, "%s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	if state.NegotiatedProtocol != "" {
		t.Note(TLS, "protocol %s", state.NegotiatedProtocol)
	}
	if len(state.PeerCertificates) > 0 {
		t.Note(TLS, "%s", certificate(state.PeerCertificates[0]))
	}
}

// SelfSigned is how the record of a handshake calls a certificate that vouches
// for itself.
const SelfSigned = "self-signed"

// certificate describes the certificate of a real server.
func certificate(c *x509.Certificate) string {
	names := ""
	if len(c.DNSNames) > 0 {
		names = fmt.Sprintf(", names %q", c.DNSNames[:min(len(c.DNSNames), 5)])
	}
	issuer := "issued by " + c.Issuer.String()
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		issuer = SelfSigned
	}
	return fmt.Sprintf("certificate of %s%s, %s, valid until %s",
		c.Subject, names, issuer, c.NotAfter.UTC().Format(time.RFC3339))
}

func bare(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		err = e.Err
	}
	return err
}
