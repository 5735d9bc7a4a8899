package checks_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks"
)

// traceOf runs a check with a trace and returns it as lines without times.
func traceOf(t *testing.T, name string, target checks.Target) string {
	t.Helper()
	target.Trace = &checks.Trace{}
	err := run(t, name, brief, target)
	var b strings.Builder
	for _, e := range target.Trace.Events() {
		fmt.Fprintf(&b, "%s: %q\n", e.Kind, e.Text)
	}
	fmt.Fprintf(&b, "error: %v\n", err)
	return strings.ReplaceAll(b.String(), target.Addr.String(), "ADDR")
}

// wantLines wants the lines of a trace, in that order, perhaps with others
// between them; an asterisk stands for anything.
func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	rest := strings.Split(got, "\n")
	for _, w := range lines {
		for len(rest) > 0 && !matches(w, rest[0]) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			t.Fatalf("no line %s in\n%s", w, got)
		}
		rest = rest[1:]
	}
}

func matches(pattern, line string) bool {
	for i, part := range strings.Split(pattern, "*") {
		at := strings.Index(line, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		line = line[at+len(part):]
	}
	return line == "" || strings.HasSuffix(pattern, "*")
}

func TestTraceOfHTTP(t *testing.T) {
	addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
		readHead(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nno \x1b[2J page")
	})
	got := traceOf(t, "http", checks.Target{Addr: addr, Request: "index.html", Receive: receive("OK")})
	wantLines(t, got,
		`connected: "tcp ADDR from 127.0.0.1:*, in *"`,
		`sent: "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1\r\n*`,
		`received: "HTTP/1.1 200 OK\r\n\r\nno \x1b[2J page"`,
		`ended: "the real server closes the connection"`,
		`error: http ADDR: body does not match "OK"*`)
}

func TestTraceOfTLSIsInTheClear(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Test Page") }))
	defer s.Close()
	addr := netip.MustParseAddrPort(s.Listener.Addr().String())
	got := traceOf(t, "https", checks.Target{Addr: addr})
	wantLines(t, got,
		`connected: *`,
		`tls: "TLS 1.3, TLS_*`,
		`tls: "certificate of O=Acme Co, names *, self-signed, valid until 2084-01-29T16:00:00Z"`,
		`sent: "GET / HTTP/1.1\r\n*`,
		`received: "HTTP/1.1 200 OK\r\n*Test Page"`,
		`error: <nil>`)
	if strings.Contains(got, "binary") {
		t.Errorf("the records of TLS are shown as well:\n%s", got)
	}
	plain := server(t, "127.0.0.1", says("no TLS at all\n"))
	wantLines(t, traceOf(t, "https", checks.Target{Addr: plain}),
		`connected: *`, `tls: "handshake failed: *`, `error: https ADDR: *`)
}

func TestTraceOfRefusals(t *testing.T) {
	got := traceOf(t, "connect", checks.Target{Addr: refused(t)})
	wantLines(t, got, `connected: "tcp ADDR: connection refused, after *"`, `error: connect ADDR: connection refused`)
}

func TestTraceOfDatagrams(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		b := make([]byte, 100)
		_, from, err := conn.ReadFrom(b)
		if err == nil {
			_, _ = conn.WriteTo([]byte("pong\n"), from)
		}
	}()
	addr := netip.MustParseAddrPort(conn.LocalAddr().String())
	got := traceOf(t, "simpletcp", checks.Target{Addr: addr, UDP: true, Request: `ping\n`, Receive: receive("pong")})
	wantLines(t, got, `connected: "udp ADDR from *`, `sent: "ping\n"`, `received: "pong\n"`, `error: <nil>`)
}

func TestTraceOfPrograms(t *testing.T) {
	program := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho not today; exit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got := traceOf(t, "external", checks.Target{Command: program, VirtualAddr: "192.0.2.1", VirtualPort: "80", RealAddr: "10.0.0.2", RealPort: "8080"})
	wantLines(t, got,
		`noted: "run [\"`+program+`\" \"192.0.2.1\" \"80\" \"10.0.0.2\" \"8080\"]"`,
		`received: "not today\n"`,
		`noted: "exit status 3"`,
		`error: external *exit status 3: not today`)
}

func TestTraceOfPing(t *testing.T) {
	got := traceOf(t, "ping", checks.Target{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	wantLines(t, got, `noted: "ICMP echo requests to 127.0.0.1, at most 1"`, `noted: "echo reply from 127.0.0.1"`, `error: <nil>`)
}

func TestTraceOfAnEndlessAnswerIsBounded(t *testing.T) {
	addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
		readHead(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		endless(conn, "more ")
	})
	target := checks.Target{Addr: addr, Trace: &checks.Trace{}}
	_ = run(t, "http", long, target)
	size, cut := 0, false
	for _, e := range target.Trace.Events() {
		size, cut = size+len(e.Text), cut || e.Cut && e.Bytes > 1<<20
	}
	if size > 65<<10 || !cut {
		t.Errorf("%d bytes are held, cut %t", size, cut)
	}
}
