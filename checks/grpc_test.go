package checks_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/checks"
)

// healthServer is the HTTP/2 server of Go's library, which serves without TLS.
func healthServer(t testing.TB, serve http.HandlerFunc) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: serve, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// health answers a call: a message, and then the trailers.
func health(message, status, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		_, _ = w.Write([]byte(message))
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", text)
	}
}

func TestGRPC(t *testing.T) {
	const serving = "\x00\x00\x00\x00\x02\x08\x01"
	tests := map[string]struct {
		serve http.HandlerFunc
		kind  checks.Kind
		words string
	}{
		"serving":             {health(serving, "0", ""), "", ""},
		"with other fields":   {health("\x00\x00\x00\x00\x07\x12\x03abc\x08\x01", "0", ""), "", ""},
		"not serving":         {health("\x00\x00\x00\x00\x02\x08\x02", "0", ""), checks.Status, "grpc ADDR: the health is NOT_SERVING, want SERVING"},
		"empty message":       {health("\x00\x00\x00\x00\x00", "0", ""), checks.Status, "grpc ADDR: the health is UNKNOWN, want SERVING"},
		"new health":          {health("\x00\x00\x00\x00\x02\x08\x09", "0", ""), checks.Status, "grpc ADDR: the health is 9, want 1, SERVING"},
		"unknown service":     {health("", "5", "no such one"), checks.Status, "grpc ADDR: gRPC status 5 NOT_FOUND, there is no such service: no such one"},
		"no health service":   {health("", "12", ""), checks.Status, "grpc ADDR: gRPC status 12 UNIMPLEMENTED, there is no health service"},
		"not for everybody":   {health("", "16", ""), checks.Auth, "grpc ADDR: gRPC status 16 UNAUTHENTICATED"},
		"no message":          {health("", "0", ""), checks.Protocol, "grpc ADDR: the answer is not one message"},
		"compressed":          {health("\x01\x00\x00\x00\x02\x08\x01", "0", ""), checks.Protocol, "grpc ADDR: the answer is not one message"},
		"two messages":        {health(serving+serving, "0", ""), checks.Protocol, "grpc ADDR: the answer is not one message"},
		"malformed":           {health("\x00\x00\x00\x00\x02\x08\xff", "0", ""), checks.Protocol, "grpc ADDR: the message is malformed: unexpected EOF"},
		"web server":          {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, checks.Protocol, "grpc ADDR: the answer is not gRPC: there is no grpc-status"},
		"no such page":        {http.NotFound, checks.Status, "grpc ADDR: HTTP status 404, want 200"},
		"ends the call":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, checks.Closed, "grpc ADDR: the real server ends the call: INTERNAL_ERROR"},
		"more than is wanted": {health(string(make([]byte, 1<<20)), "0", ""), checks.Protocol, "grpc ADDR: more than a check reads"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			addr := healthServer(t, tt.serve)
			verdict(t, run(t, "grpc", long, checks.Target{Addr: addr, Request: "/"}), tt.kind, tt.words, addr)
		})
	}
}

// TestGRPCRequest: the check asks as the protocol wants it.
func TestGRPCRequest(t *testing.T) {
	for request, message := range map[string]string{"/": "\x00\x00\x00\x00\x00", "/a.B": "\x00\x00\x00\x00\x05\x0a\x03a.B"} {
		got := make(chan string, 2)
		addr := healthServer(t, func(w http.ResponseWriter, r *http.Request) {
			body := make([]byte, 100)
			n, _ := r.Body.Read(body)
			got <- string(body[:n])
			got <- r.Method + " " + r.Host + r.URL.Path + " " + r.Header.Get("Te") + " " + r.Header.Get("Content-Type")
			health("\x00\x00\x00\x00\x02\x08\x01", "0", "")(w, r)
		})
		want(t, run(t, "grpc", long, checks.Target{Addr: addr, Request: request, VirtualHost: "health.test"}), "", addr)
		if m := <-got; m != message {
			t.Errorf("%q is asked for by %q, want %q", request, m, message)
		}
		if m := <-got; m != "POST health.test/grpc.health.v1.Health/Check trailers application/grpc" {
			t.Errorf("the call is %s", m)
		}
	}
}

func TestGRPCBad(t *testing.T) {
	addr := refused(t)
	verdict(t, run(t, "grpc", long, checks.Target{Addr: addr}), checks.Refused, "grpc ADDR: connection refused", addr)
	addr = server(t, "127.0.0.1", silent)
	verdict(t, run(t, "grpc", brief, checks.Target{Addr: addr}), checks.Timeout, "grpc ADDR: timed out after 200ms while waiting for the reply", addr)
	addr = server(t, "127.0.0.1", greets("HTTP/1.1 400 Bad Request\r\n\r\n", func(ctx context.Context, _ *net.TCPConn) { <-ctx.Done() }))
	err := run(t, "grpc", long, checks.Target{Addr: addr})
	if checks.KindOf(err) != checks.Protocol {
		t.Errorf("HTTP/1.1: %v", err)
	}
}
