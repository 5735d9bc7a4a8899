package checks_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// tlsServer makes handshakes, and closes when the client does.
func tlsServer(t testing.TB, config *tls.Config) netip.AddrPort {
	t.Helper()
	return server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
		_, _ = io.Copy(io.Discard, tls.Server(conn, config))
	})
}

func TestHandshake(t *testing.T) {
	a := newAuthority(t, "ours")
	ours := &checks.TLSOptions{Verify: true, Roots: a.pool()}
	in := func(d time.Duration) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{a.issue(t, time.Now().Add(-48*time.Hour), time.Now().Add(d+time.Minute), "127.0.0.1")}}
	}
	with := func(d time.Duration) *checks.TLSOptions { return &checks.TLSOptions{MinValid: d} }
	day := 24 * time.Hour
	tests := []struct {
		name   string
		server *tls.Config
		o      *checks.TLSOptions
		want   string
	}{
		{"trusted", in(day), ours, ""},
		{"trusted by nobody", in(day), nil, `tls ADDR: the certificate is signed by "ours", whom nobody here trusts`},
		{"not looked at", in(-day), with(0), ""},
		{"expired", in(-day), ours, "tls ADDR: the certificate expired on " + time.Now().Add(time.Minute-day).UTC().Format(time.DateOnly)},
		{"valid for long enough", in(15 * day), with(14 * day), ""},
		{
			"not for long enough", in(3 * day), with(14 * day),
			"tls ADDR: the certificate expires in 3 days, on " + time.Now().Add(3*day+time.Minute).UTC().Format(time.DateOnly) + ", want 14 days more",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := tlsServer(t, tt.server)
			err := run(t, "tls", long, checks.Target{Addr: addr, TLS: tt.o})
			want(t, err, tt.want, addr)
			if k := checks.KindOf(err); err != nil && k != checks.TLS {
				t.Errorf("kind %q", k)
			}
		})
	}
}

// TestHandshakeClientCertificate: who wants a certificate and gets none has
// refused, whatever the version.
func TestHandshakeClientCertificate(t *testing.T) {
	a := newAuthority(t, "ours")
	own := a.good(t, "shunt")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		addr := tlsServer(t, &tls.Config{
			MaxVersion: version, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool(), Certificates: []tls.Certificate{a.good(t, "127.0.0.1")},
		})
		want(t, run(t, "tls", long, checks.Target{Addr: addr, TLS: &checks.TLSOptions{Client: &own}}), "", addr)
		err := run(t, "tls", long, checks.Target{Addr: addr, TLS: &checks.TLSOptions{}})
		if k := checks.KindOf(err); k != checks.TLS {
			t.Errorf("%v is of kind %q", err, k)
		}
	}
}

func TestHandshakeBadServers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		serve   handler
		timeout time.Duration
		want    string
		kind    checks.Kind
	}{
		{"silent", silent, brief, "tls ADDR: timed out after 200ms in the TLS handshake", checks.Timeout},
		{"closes", says(""), long, "tls ADDR: connection closed in the TLS handshake", checks.Closed},
		{"greets", says("220 mail.example.com ESMTP\r\n"), long, "tls ADDR: tls: first record does not look like a TLS handshake", checks.TLS},
		{"endless", func(_ context.Context, c *net.TCPConn) { endless(c, "\x16\x03\x03\x3f\xff") }, long, "", checks.TLS},
		{"drips", func(_ context.Context, c *net.TCPConn) {
			for range 100 {
				time.Sleep(10 * time.Millisecond)
				if _, err := c.Write([]byte{0x16}); err != nil {
					return
				}
			}
		}, brief, "", ""},
		{"a handshake that is too long", func(_ context.Context, c *net.TCPConn) {
			endless(c, "\x16\x03\x03\x00\x04\x02\xff\xff\xff")
		}, long, "", checks.TLS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := server(t, "127.0.0.1", tt.serve)
			began := time.Now()
			err := run(t, "tls", tt.timeout, checks.Target{Addr: addr})
			if err == nil || tt.want != "" && strings.ReplaceAll(err.Error(), addr.String(), "ADDR") != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if tt.kind != "" && checks.KindOf(err) != tt.kind {
				t.Errorf("kind %q, want %q", checks.KindOf(err), tt.kind)
			}
			if took := time.Since(began); took > tt.timeout+5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// openssl starts s_server with a certificate, and returns where it listens.
func openssl(t *testing.T, c tls.Certificate, args ...string) netip.AddrPort {
	t.Helper()
	need.Program(t, "openssl")
	addr, pair := process.FreeAddr(t), filepath.Join(t.TempDir(), "pair.pem")
	writePair(t, pair, c)
	process.Start(t, "openssl", append([]string{"s_server", "-accept", addr.String(), "-cert", pair, "-quiet"}, args...)...).Listens(addr.String())
	return addr
}

func writePair(t testing.TB, path string, c tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeRoots(t testing.TB, path string, a *authority) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestHandshakeOpenSSL checks openssl s_server, with and without the wish for a
// certificate, in the versions that it can be held to.
func TestHandshakeOpenSSL(t *testing.T) {
	a := newAuthority(t, "ours")
	own := a.good(t, "shunt")
	dir := t.TempDir()
	writeRoots(t, filepath.Join(dir, "ca.pem"), a)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		addr := openssl(t, a.good(t, "127.0.0.1"), version)
		target := checks.Target{Addr: addr, TLS: &checks.TLSOptions{Verify: true, Roots: a.pool()}}
		want(t, run(t, "tls", long, target), "", addr)
		target.VirtualHost = "www.example.com"
		want(t, run(t, "tls", long, target), "tls ADDR: x509: certificate is not valid for any names, but wanted to match www.example.com", addr)

		addr = openssl(t, a.good(t, "127.0.0.1"), version, "-Verify", "1", "-verify_return_error", "-CAfile", filepath.Join(dir, "ca.pem"))
		target = checks.Target{Addr: addr, TLS: &checks.TLSOptions{Verify: true, Roots: a.pool(), Client: &own}}
		want(t, run(t, "tls", long, target), "", addr)
		target.TLS = &checks.TLSOptions{}
		if err := run(t, "tls", long, target); checks.KindOf(err) != checks.TLS {
			t.Errorf("%s without a certificate: %v, of kind %q", version, err, checks.KindOf(err))
		}
	}
}
