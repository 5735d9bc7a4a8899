package checks_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// TestVerify: with verify a certificate has to be trusted, valid now, and for
// the name or the address. Without, any will do; the end of it is noted always.
func TestVerify(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	now := time.Now()
	past := ours.issue(t, now.Add(-72*time.Hour), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "www.example.com")
	future := ours.issue(t, time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2101, 1, 2, 3, 4, 5, 0, time.UTC), "www.example.com")
	tests := []struct {
		name, host string
		cert       tls.Certificate
		why        string
	}{
		{"name", "www.example.com", ours.good(t, "www.example.com"), ""},
		{"name and port", "www.example.com:443", ours.good(t, "www.example.com"), ""},
		{"address", "", ours.good(t, "127.0.0.1"), ""},
		{"another name", "www.example.com", ours.good(t, "other.example.com"), "x509: certificate is valid for other.example.com, not www.example.com"},
		{"a name for an address", "", ours.good(t, "www.example.com"), "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"},
		{"another authority", "www.example.com", others.good(t, "www.example.com"), `the certificate is signed by "others", whom nobody here trusts`},
		{"expired", "www.example.com", past, "the certificate expired on 2026-01-02"},
		{"not yet", "www.example.com", future, "the certificate is not valid before 2100-01-02"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := secureWeb(t, "127.0.0.1", &tls.Config{Certificates: []tls.Certificate{tt.cert}}, func(http.ResponseWriter, *http.Request) {})
			target := checks.Target{Addr: addr, VirtualHost: tt.host, TLS: &checks.TLSOptions{Verify: true, Roots: ours.pool()}, Note: &checks.Note{}}
			err := run(t, "https", long, target)
			words := ""
			if tt.why != "" {
				words = "https ADDR: " + tt.why
			}
			want(t, err, words, addr)
			if kind := checks.KindOf(err); err != nil && kind != checks.TLS {
				t.Errorf("kind %q", kind)
			}
			if leaf, err := tlsLeaf(tt.cert); err != nil || !target.Note.Expires.Equal(leaf.NotAfter) {
				t.Errorf("%v is noted, want %v", target.Note.Expires, leaf.NotAfter)
			}
			target.TLS = nil
			want(t, run(t, "https", long, target), "", addr)
		})
	}
}

// TestClientCertificate: a real server that wants one gets it.
func TestClientCertificate(t *testing.T) {
	a := newAuthority(t, "ours")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{MaxVersion: version, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool(), Certificates: []tls.Certificate{a.good(t, "127.0.0.1")}}
		addr := secureWeb(t, "127.0.0.1", config, func(http.ResponseWriter, *http.Request) {})
		own := a.good(t, "shunt")
		want(t, run(t, "https", long, checks.Target{Addr: addr, TLS: &checks.TLSOptions{Client: &own}}), "", addr)
		err := run(t, "https", long, checks.Target{Addr: addr})
		if checks.KindOf(err) != checks.TLS {
			t.Errorf("without a certificate: %v, of kind %q", err, checks.KindOf(err))
		}
	}
}
