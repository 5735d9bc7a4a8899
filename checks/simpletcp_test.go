package checks_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

func TestSimpleTCP(t *testing.T) {
	const none, noMatch = "connection closed without an answer", `no line of the answer matches "^OK$"`
	tests := []struct {
		name    string
		answer  string
		receive string
		err     string
	}{
		{"good", "OK\n", "OK", ""},
		{"second line", "hello\nOK\n", "OK", ""},
		{"newline belongs to the line", "OK\n", `^OK\n$`, ""},
		{"last line without newline", "hello\nOK", "^OK$", ""},
		{"lines are matched one by one", "a\nb\n", `a\nb`, `no line of the answer matches "a\\nb"`},
		{"empty line", "\n", `^\n$`, ""},
		{"wrong", "NOT OK\n", "^OK$", noMatch},
		{"close in mid-line", "O", "^OK$", noMatch},
		{"no answer", "", "^OK$", none},
		{"no answer wanted", "", "", none},
		{"any answer", "\n", "", ""},
	}
	for _, tt := range tests {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(tt.name+" "+host, func(t *testing.T) {
				addr := server(t, host, says(tt.answer))
				err := both(t, "simpletcp", long, checks.Target{Addr: addr, Request: "/", Receive: optional(tt.receive)})
				want(t, err, wrapped("simpletcp ADDR: ", tt.err), addr)
			})
		}
	}
}

// wrapped puts prefix before words, if there are any.
func wrapped(prefix, words string) string {
	if words == "" {
		return ""
	}
	return prefix + words
}

// optional is a receive pattern, or none for "".
func optional(s string) checks.Matcher {
	if s == "" {
		return nil
	}
	return receive(s)
}

func TestSimpleTCPRequest(t *testing.T) {
	tests := map[string]string{
		"":                 "",
		"/":                "",
		"/ping":            "ping",
		"//x":              "/x",
		`/a\nb\n`:          "a\nb\n",
		`/QUIT\r\n`:        `QUIT\r` + "\n",
		`/\t\\n`:           `\t\` + "\n",
		"/höhe\xff":        "höhe\xff",
		`no leading\slash`: `no leading\slash`,
	}
	for request, sent := range tests {
		got := make(chan string, 1)
		addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
			b, _ := io.ReadAll(conn) // ends because the check closes its direction
			got <- string(b)
			_, _ = io.WriteString(conn, "done")
		})
		want(t, run(t, "simpletcp", long, checks.Target{Addr: addr, Request: request}), "", addr)
		if g := <-got; g != sent {
			t.Errorf("request %q was sent as %q, want %q", request, g, sent)
		}
	}
}

func TestSimpleTCPBadServers(t *testing.T) {
	timedOut := "simpletcp ADDR: timed out after 200ms while waiting for "
	tests := []struct {
		name    string
		serve   handler
		receive string
		timeout time.Duration
		err     string
	}{
		{"silent", silent, "OK", brief, timedOut + "an answer"},
		{"never ends its line", func(ctx context.Context, conn *net.TCPConn) {
			_, _ = io.WriteString(conn, "OK")
			<-ctx.Done()
		}, "OK", time.Second, "simpletcp ADDR: timed out after 1s while waiting for a line that matches"},
		{"byte at a time", func(_ context.Context, conn *net.TCPConn) { slowly(conn, "hello\nOK\n") }, "OK", long, ""},
		{
			"endless line", func(_ context.Context, conn *net.TCPConn) { endless(conn, "x") }, "OK", long,
			`simpletcp ADDR: no line of the answer matches "OK"`,
		},
		{
			"endless lines", func(_ context.Context, conn *net.TCPConn) { endless(conn, strings.Repeat("x", 99)+"\n") }, "OK", long,
			`simpletcp ADDR: no line of the answer matches "OK"`,
		},
		{
			"reset", func(_ context.Context, conn *net.TCPConn) { _, _ = io.ReadAll(conn); _ = conn.SetLinger(0) }, "OK", long,
			"simpletcp ADDR: connection reset by peer while waiting for an answer",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := server(t, "127.0.0.1", tt.serve)
			want(t, both(t, "simpletcp", tt.timeout, checks.Target{Addr: addr, Receive: receive(tt.receive)}), tt.err, addr)
		})
	}
}

func TestSimpleTCPRefused(t *testing.T) {
	addr := refused(t)
	want(t, both(t, "simpletcp", long, checks.Target{Addr: addr}), "simpletcp ADDR: connection refused", addr)
}

// A check that is cancelled while it waits ends, though it has no deadline.
func TestSimpleTCPCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) {
		_, _ = io.ReadAll(conn)
		cancel()
		<-ctx.Done()
	})
	err := checks.SimpleTCP(ctx, checks.Target{Addr: addr})
	want(t, err, "simpletcp ADDR: cancelled while waiting for an answer", addr)
}

// udpServer answers each datagram with the datagrams that answer returns.
func udpServer(t *testing.T, answer func(request string) []string) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			for _, a := range answer(string(b[:n])) {
				_, _ = pc.WriteTo([]byte(a), from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = pc.Close()
		<-done
	})
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestSimpleTCPSlowPattern: lines that never end and a pattern that takes long for
// each of them do not hold up a check beyond its time.
func TestSimpleTCPSlowPattern(t *testing.T) {
	for _, line := range []string{"\n", "ab\n", strings.Repeat("ab", 500) + "\n", strings.Repeat("\xffb", 100_000) + "\n"} {
		addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) { endless(conn, line) })
		err := punctual(t, "simpletcp", checks.Target{Addr: addr, Receive: receive("(a|b)*(?s).{500}.{500}[x]")})
		if kind := checks.KindOf(err); kind != checks.Timeout && kind != checks.Mismatch {
			t.Errorf("of lines %.10q: %v is %s", line, err, kind)
		}
	}
}

func TestSimpleTCPOverUDP(t *testing.T) {
	echo := func(request string) []string { return []string{"you said\n", strings.ToUpper(request)} }
	addr := udpServer(t, echo)
	udp := checks.Target{Addr: addr, UDP: true, Request: "/ping", Receive: receive("^PING$")}
	want(t, both(t, "simpletcp", long, udp), "", addr)
	udp.Receive = nil
	want(t, run(t, "simpletcp", long, udp), "", addr)
	udp.Receive = receive("PONG")
	want(t, both(t, "simpletcp", brief, udp),
		"simpletcp ADDR: timed out after 200ms while waiting for a line that matches", addr)
	udp.Addr = refused(t)
	want(t, both(t, "simpletcp", long, udp), "simpletcp ADDR: connection refused", udp.Addr)
}
