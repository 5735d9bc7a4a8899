package checks_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/checks"
)

// TestKind has checks fail in every way and asks for the kind, with words of
// other kinds wherever a server or an operator can put them.
func TestKind(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	page := func(s string) netip.AddrPort { return after(t, s) }
	for _, c := range []struct {
		name, check string
		target      checks.Target
		want        checks.Kind
	}{
		{"nobody listens", "connect", checks.Target{Addr: refused(t)}, checks.Refused},
		{"nobody answers", "http", checks.Target{Addr: server(t, "127.0.0.1", silent)}, checks.Timeout},
		{"nobody accepts", "connect", checks.Target{Addr: full(t)}, checks.Timeout},
		{"no answer", "simpletcp", checks.Target{Addr: server(t, "127.0.0.1", says(""))}, checks.Closed},
		{"the answer is cut", "http", checks.Target{Addr: page("HTTP/1.1 2")}, checks.Closed},
		{"no TLS", "https", checks.Target{Addr: server(t, "127.0.0.1", says("connection refused, timed out"))}, checks.TLS},
		{"a client certificate is wanted", "https", checks.Target{Addr: netip.MustParseAddrPort(secure.Listener.Addr().String())}, checks.TLS},
		{"a status", "http", checks.Target{Addr: page("HTTP/1.1 503 timeout\r\n\r\n")}, checks.Status},
		{"a redirect elsewhere", "http", checks.Target{Addr: page("HTTP/1.1 302 Found\r\nLocation: ftp://timeout/\r\n\r\n")}, checks.Status},
		{"no status line", "http", checks.Target{Addr: page("HTTP/1.1 timeout\r\n\r\n")}, checks.Protocol},
		{"an unknown coding", "http", checks.Target{Addr: page("HTTP/1.1 200 OK\r\nTransfer-Encoding: timeout\r\n\r\n")}, checks.Protocol},
		{"a pattern timeout", "http", checks.Target{Addr: page(head200 + "\r\nok"), Receive: receive("timeout")}, checks.Mismatch},
		{"a pattern login", "simpletcp", checks.Target{Addr: server(t, "127.0.0.1", says("ok")), Receive: receive("login")}, checks.Mismatch},
		{"an exit status", "external", checks.Target{Command: program(t, "echo connection refused; exit 1")}, checks.Command},
		{"a signal", "external", checks.Target{Command: program(t, "kill -9 $$")}, checks.Command},
		{"no program", "external", checks.Target{Command: "/connection refused/timed out"}, checks.Command},
		{"a program that goes on", "external", checks.Target{Command: program(t, "sleep 60")}, checks.Timeout},
		{"no port", "connect", checks.Target{Addr: netip.MustParseAddrPort("127.0.0.1:0")}, checks.Other},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := long
			if c.want == checks.Timeout {
				timeout = brief
			}
			err := run(t, c.check, timeout, c.target)
			if got := checks.KindOf(err); got != c.want {
				t.Errorf("%v: %q, want %q", err, got, c.want)
			}
		})
	}
}

// TestKindOf asks for the kind of errors that are not a check's alone.
func TestKindOf(t *testing.T) {
	refused := &checks.Error{Check: "connect", Kind: checks.Refused, Err: io.EOF}
	for _, c := range []struct {
		err  error
		want checks.Kind
	}{
		{nil, ""},
		{refused, checks.Refused},
		{fmt.Errorf("again: %w", refused), checks.Refused},
		{errors.New("timed out"), checks.Other},
		{context.DeadlineExceeded, checks.Timeout},
		{&net.DNSError{IsTimeout: true}, checks.Other},
	} {
		if got := checks.KindOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
