//go:debug x509negativeserial=1

package checks_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// secureWeb is a server with a certificate nobody signed.
func secureWeb(t testing.TB, host string, config *tls.Config, handle http.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	s.TLS = config
	s.Config.ErrorLog = nil
	return start(t, s, host, (*httptest.Server).StartTLS)
}

func TestHTTPS(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		addr := secureWeb(t, host, nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Test Page") })
		want(t, run(t, "https", long, checks.Target{Addr: addr, Receive: receive("Test")}), "", addr)
		want(t, run(t, "https", long, checks.Target{Addr: addr, Receive: receive("Text")}),
			`https ADDR: body does not match "Text"`, addr)
	}
}

func TestHTTPSServerName(t *testing.T) {
	for virtualHost, sent := range map[string]string{
		"www.example.com": "www.example.com", "www.example.com:443": "www.example.com", "": "", "192.0.2.1": "",
	} {
		got := make(chan string, 1)
		config := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			got <- h.ServerName
			return nil, nil
		}}
		addr := secureWeb(t, "127.0.0.1", config, func(http.ResponseWriter, *http.Request) {})
		want(t, run(t, "https", long, checks.Target{Addr: addr, VirtualHost: virtualHost}), "", addr)
		if g := <-got; g != sent {
			t.Errorf("virtualhost %q: server name %q, want %q", virtualHost, g, sent)
		}
	}
}

// TestHTTPSNegativeSerial: what makes a certificate a bad one is no matter,
// as nobody looks at it.
func TestHTTPSNegativeSerial(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(5), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	version := []byte{0xa0, 3, 2, 1, 2, 2, 1} // and the serial number's type and length
	at := bytes.Index(der, append(version, 5))
	if at < 0 {
		t.Fatal("no serial number")
	}
	der[at+len(version)] = 0xfb
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	addr := secureWeb(t, "127.0.0.1", config, func(http.ResponseWriter, *http.Request) {})
	want(t, run(t, "https", long, checks.Target{Addr: addr}), "", addr)
}

// Old servers work too.
func TestHTTPSOldServers(t *testing.T) {
	for _, config := range []*tls.Config{
		{MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}},
	} {
		addr := secureWeb(t, "127.0.0.1", config, func(http.ResponseWriter, *http.Request) {})
		want(t, run(t, "https", long, checks.Target{Addr: addr}), "", addr)
	}
}

func TestHTTPSBadServers(t *testing.T) {
	addr := server(t, "127.0.0.1", silent)
	want(t, run(t, "https", brief, checks.Target{Addr: addr}), "https ADDR: timed out after 200ms in the TLS handshake", addr)
	addr = server(t, "127.0.0.1", says(""))
	want(t, run(t, "https", long, checks.Target{Addr: addr}), "https ADDR: connection closed in the TLS handshake", addr)
	addr = server(t, "127.0.0.1", says("HTTP/1.1 400 Bad Request\r\n\r\n"))
	want(t, run(t, "https", long, checks.Target{Addr: addr}),
		"https ADDR: tls: first record does not look like a TLS handshake", addr)
}

// From http to https of the same host the real server is asked, by TLS.
func TestHTTPRedirectToHTTPS(t *testing.T) {
	secure := secureWeb(t, "127.0.0.1", nil, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.ServerName != "www.example.com" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	_, port, _ := net.SplitHostPort(secure.String())
	addr := web(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://www.example.com:"+port+"/", http.StatusMovedPermanently)
	})
	want(t, run(t, "http", long, checks.Target{Addr: addr, VirtualHost: "www.example.com"}), "", addr)
}

// A cancelled check ends in the middle of a handshake.
func TestHTTPSCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 1))
		cancel()
		<-ctx.Done()
	})
	want(t, checks.HTTPS(ctx, checks.Target{Addr: addr}), "https ADDR: cancelled in the TLS handshake", addr)
}
