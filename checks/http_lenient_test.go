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

// after is a server that reads a request, writes an answer and closes.
func after(t testing.TB, answer string) netip.AddrPort {
	t.Helper()
	return server(t, "127.0.0.1", func(_ context.Context, c *net.TCPConn) {
		readHead(c)
		_, _ = io.WriteString(c, answer)
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	})
}

// TestHTTPLenient: what a check has no need of does not fail it.
func TestHTTPLenient(t *testing.T) {
	const page, length = "Test Page ok", "Content-Length: 12\r\n"
	for name, answer := range map[string]string{
		"no colon":                      head200 + "Foo\r\n" + length + "\r\n" + page,
		"no colon, first":               head200 + "Foo bar\r\n" + length + "\r\n" + page,
		"name in UTF-8":                 head200 + "X-Ä: x\r\n" + length + "\r\n" + page,
		"no name":                       head200 + ": x\r\n" + length + "\r\n" + page,
		"a colon alone":                 head200 + ":\r\n" + length + "\r\n" + page,
		"blank before the colon":        head200 + "X-Y : z\r\n" + length + "\r\n" + page,
		"blank in the name":             head200 + "X Y: z\r\n" + length + "\r\n" + page,
		"NUL in a name":                 head200 + "X\x00Y: z\r\n" + length + "\r\n" + page,
		"NUL in a value":                head200 + "X: \x00\r\n" + length + "\r\n" + page,
		"control characters":            head200 + "X\x01\x7f: \x02\x1b[0m\r\n" + length + "\r\n" + page,
		"bytes above ASCII":             head200 + "X: \xff\xfe\r\n" + length + "\r\n" + page,
		"carriage return in a value":    head200 + "X: a\rb\r\n" + length + "\r\n" + page,
		"first line folded":             head200 + " folded\r\n" + length + "\r\n" + page,
		"first line folded by a tab":    head200 + "\tfolded\r\n" + length + "\r\n" + page,
		"folded":                        head200 + "X: a\r\n b\r\n\tc\r\n" + length + "\r\n" + page,
		"length folded":                 head200 + "Content-Length:\r\n 12\r\n\r\n" + page,
		"a line of blanks":              head200 + "X: a\r\n \r\n" + length + "\r\n" + page,
		"two equal lengths":             head200 + length + length + "\r\n" + page,
		"three equal lengths":           head200 + length + "content-length:12\r\n" + length + "\r\n" + page,
		"list of equal lengths":         head200 + "Content-Length: 12, 12,12\r\n\r\n" + page,
		"equal but for zeros":           head200 + "Content-Length: 12\r\nContent-Length: 0012\r\n\r\n" + page,
		"length with plus":              head200 + "Content-Length: +12\r\n\r\n" + page,
		"length abc":                    head200 + "Content-Length: abc\r\n\r\n" + page,
		"length empty":                  head200 + "Content-Length:\r\n\r\n" + page,
		"length negative":               head200 + "Content-Length: -1\r\n\r\n" + page,
		"length hexadecimal":            head200 + "Content-Length: 0xc\r\n\r\n" + page,
		"length with a fraction":        head200 + "Content-Length: 12.0\r\n\r\n" + page,
		"length beyond 64 bits":         head200 + "Content-Length: 99999999999999999999\r\n\r\n" + page,
		"a number and none":             head200 + "Content-Length: abc\r\n" + length + "\r\n" + page,
		"lower-case protocol":           "http/1.1 200 OK\r\n" + length + "\r\n" + page,
		"mixed-case protocol":           "Http/1.1 200 OK\r\n" + length + "\r\n" + page,
		"ICY":                           "ICY 200 OK\r\n" + length + "\r\n" + page,
		"HTTP/2":                        "HTTP/2 200 OK\r\n" + length + "\r\n" + page,
		"HTTP/1":                        "HTTP/1 200 OK\r\n" + length + "\r\n" + page,
		"two blanks":                    "HTTP/1.1  200  OK\r\n" + length + "\r\n" + page,
		"a tab":                         "HTTP/1.1\t200\tOK\r\n" + length + "\r\n" + page,
		"no reason":                     "HTTP/1.1 200\r\n" + length + "\r\n" + page,
		"reason with NUL":               "HTTP/1.1 200 O\x00K\r\n" + length + "\r\n" + page,
		"line feeds alone":              "HTTP/1.1 200 OK\nContent-Length: 12\n\n" + page,
		"mixed line ends":               "HTTP/1.1 200 OK\nContent-Length: 12\r\n\n" + page,
		"blank lines before":            "\r\n\n" + head200 + length + "\r\n" + page,
		"no status line":                page,
		"no status line, with lines":    "<html>\r\n\r\n" + page + "\r\n",
		"no status line, less than one": "Test Page",
		"chunks with line feeds":        head200 + "Transfer-Encoding: chunked\r\n\r\nC\nTest Page ok\n0\n\n",
		"chunks with zeros and blanks":  head200 + "Transfer-Encoding: Chunked\r\n\r\n00C ; a=b\r\nTest Page ok\r\n000\r\nX: y\r\n\r\n",
		"chunks without an end":         head200 + "Transfer-Encoding: chunked\r\n\r\nC\r\nTest Page ok",
		"chunks and a length":           head200 + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nC\r\nTest Page ok\r\n0\r\n\r\n",
		"chunks and no number":          head200 + "Content-Length: 3, 4\r\nTransfer-Encoding: chunked\r\n\r\nC\r\nTest Page ok\r\n0\r\n\r\n",
		"two lengths":                   head200 + "Content-Length: 4\r\nContent-Length: 12\r\n\r\n" + page,
		"a list of lengths":             head200 + "Content-Length: 4, 9\r\n\r\n" + page,
		"a length and a list":           head200 + "Content-Length: 12\r\nContent-Length: 4, 4\r\n\r\n" + page,
		"a length with a sign":          head200 + "Content-Length: +4\r\n\r\n" + page,
		"a length in hexadecimal":       head200 + "Content-Length: 0x4\r\n\r\n" + page,
		"chunks said twice":             head200 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\nC\r\nTest Page ok\r\n0\r\n\r\n",
		"pattern behind 1 MiB":          head200 + "Content-Length: 1048588\r\n\r\n" + strings.Repeat("x", 1<<20) + page,
		"pattern behind 7 MiB":          head200 + "\r\n" + strings.Repeat("x", 7<<20) + page,
	} {
		t.Run(name, func(t *testing.T) {
			addr := after(t, answer)
			for _, pattern := range []string{"Test Page", "[T]est Page"} {
				want(t, both(t, "http", long, checks.Target{Addr: addr, Receive: receive(pattern)}), "", addr)
				if got := both(t, "http", long, checks.Target{Addr: addr, Receive: receive("[T]est Rage")}); got == nil {
					t.Error("another pattern matches")
				}
			}
		})
	}
}

// TestHTTPNotLenient: an answer that does not say clearly that the request
// succeeded is no good one.
func TestHTTPNotLenient(t *testing.T) {
	for name, tt := range map[string]struct{ answer, err string }{
		"the first of two lengths":     {head200 + "Content-Length: 9\r\nContent-Length: 4\r\n\r\nTest Page", `body does not match "Test Page"`},
		"a length with a blank behind": {head200 + "Content-Length: 4 9\r\n\r\nTest Page", `body does not match "Test Page"`},
		"bad status, lower case":       {"http/1.1 503 no\r\n\r\nTest Page", "status 503, want 2xx"},
		"bad status, ICY":              {"ICY 401 no\r\n\r\nTest Page", "status 401, want 2xx"},
		"bad status, odd headers":      {"HTTP/1.1 500 no\r\n\x00\r\nfoo\r\n\r\nTest Page", "status 500, want 2xx"},
		"four digits":                  {"HTTP/1.1 2000 OK\r\n\r\nTest Page", `malformed HTTP response "HTTP/1.1 2000 OK"`},
		"two digits":                   {"HTTP/1.1 20 OK\r\n\r\nTest Page", `malformed HTTP response "HTTP/1.1 20 OK"`},
		"glued":                        {"HTTP/1.1 200OK\r\n\r\nTest Page", `malformed HTTP response "HTTP/1.1 200OK"`},
		"no status":                    {"HTTP/1.1\r\n\r\nTest Page", `malformed HTTP response "HTTP/1.1"`},
		"status 000":                   {"HTTP/1.1 000 OK\r\n\r\nTest Page", `malformed HTTP response "HTTP/1.1 000 OK"`},
		"sign":                         {"HTTP/1.1 +20 OK\r\n\r\nTest Page", `malformed HTTP response "HTTP/1.1 +20 OK"`},
		"closed in the status line":    {"HTTP/1.1 200", "connection closed while waiting for the answer"},
		"closed in the headers":        {head200 + "X: y\r\n", "connection closed while waiting for the answer"},
		"carriage returns alone":       {"HTTP/1.1 200 OK\rX: y\r\rTest Page", "connection closed while waiting for the answer"},
		"interim answer alone":         {"HTTP/1.1 100 Continue\r\n\r\n", "connection closed while waiting for the answer"},
		"page after an interim answer": {"HTTP/1.1 199 Odd\r\n\r\nTest Page", "an interim answer without a final one"},
		"nothing":                      {"", "connection closed while waiting for the answer"},
		"unknown coding":               {head200 + "Transfer-Encoding: gzip, chunked\r\n\r\nTest Page", `transfer coding "gzip, chunked" is not supported`},
		"no chunks":                    {head200 + "Transfer-Encoding: chunked\r\n\r\nTest Page", `body does not match "Test Page": only 0 bytes of it arrived`},
		"bad size of a chunk":          {head200 + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nTest Page\r\n0\r\n\r\n", `body does not match "Test Page": only 0 bytes of it arrived`},
		"chunk longer than said":       {head200 + "Transfer-Encoding: chunked\r\n\r\n4\r\nTest Page\r\n0\r\n\r\n", `body does not match "Test Page": only 4 bytes of it arrived`},
		"no content":                   {"HTTP/1.1 204 No Content\r\n\r\nTest Page", `body does not match "Test Page"`},
		"pattern behind the length":    {head200 + "Content-Length: 4\r\n\r\nTest Page", `body does not match "Test Page"`},
		"pattern behind the bound":     {head200 + "\r\n" + strings.Repeat("x", checks.MaxBody) + "Test Page", `the first 8388608 bytes of the body do not match "Test Page"`},
		"no status line, and another":  {"<h1>Test Rage</h1>", `the answer has no status line and does not match "Test Page"`},
	} {
		t.Run(name, func(t *testing.T) {
			addr := after(t, tt.answer)
			want(t, both(t, "http", long, checks.Target{Addr: addr, Receive: receive("Test Page")}), "http ADDR: "+tt.err, addr)
		})
	}
}

// TestHTTPBareWithoutPattern: an answer without a status line is good only if a
// pattern says so.
func TestHTTPBareWithoutPattern(t *testing.T) {
	addr := after(t, "SSH-2.0-x\r\n")
	want(t, both(t, "http", long, checks.Target{Addr: addr}), `http ADDR: malformed HTTP response "SSH-2.0-x"`, addr)
	addr = after(t, strings.Repeat("x", 300))
	want(t, both(t, "http", long, checks.Target{Addr: addr}), `http ADDR: malformed HTTP response "`+strings.Repeat("x", 200)+"...\"", addr)
}

// TestMatchEnds: whatever pattern and whatever answer, a check is over soon
// after its time.
func TestMatchEnds(t *testing.T) {
	answers := map[string]handler{
		"a":     func(_ context.Context, c *net.TCPConn) { endless(c, head200+"\r\n"+strings.Repeat("a", 1<<15)) },
		"lines": func(_ context.Context, c *net.TCPConn) { endless(c, head200+"\r\n"+strings.Repeat("\n", 1<<15)) },
		"bare":  func(_ context.Context, c *net.TCPConn) { endless(c, "a") },
	}
	for _, check := range []string{"http", "simpletcp"} {
		for name, serve := range answers {
			for _, pattern := range []string{"(?s).{1,1000}END", "(?s).{1,1000}.{1,1000}.{1,1000}END", "((a|b)*)*END", `\A\n{1000}END`} {
				addr := server(t, "127.0.0.1", serve)
				began := time.Now()
				err := run(t, check, brief, checks.Target{Addr: addr, Receive: receive(pattern)})
				if took := time.Since(began); err == nil || took > brief+5*time.Second { // many times what a busy machine adds
					t.Errorf("%s of %s with %q: %v after %v", check, name, pattern, err, took)
				}
			}
		}
	}
}

// TestHTTPNoChunks: a body that is not in chunks although it should be is over at
// once, whatever becomes of the connection.
func TestHTTPNoChunks(t *testing.T) {
	addr := server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) {
		readHead(conn)
		_, _ = io.WriteString(conn, head200+"Transfer-Encoding: chunked\r\n\r\nTest Page\r\n")
		<-ctx.Done()
	})
	err := both(t, "http", long, checks.Target{Addr: addr, Receive: receive("Test Page")})
	want(t, err, `http ADDR: body does not match "Test Page": only 0 bytes of it arrived`, addr)
	want(t, both(t, "http", long, checks.Target{Addr: addr}), "", addr)
}
