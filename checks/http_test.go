package checks_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// web is an HTTP server for the length of a test.
func web(t testing.TB, host string, handle http.HandlerFunc) netip.AddrPort {
	t.Helper()
	return start(t, httptest.NewUnstartedServer(handle), host, (*httptest.Server).Start)
}

func start(t testing.TB, s *httptest.Server, host string, start func(*httptest.Server)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Listener.Close()
	s.Listener = ln
	start(s)
	t.Cleanup(s.Close)
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func TestHTTPStatus(t *testing.T) {
	for status := 200; status < 600; status++ {
		if http.StatusText(status) == "" && status != 299 {
			continue
		}
		addr := web(t, "127.0.0.1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		words := ""
		if status > 299 {
			words = fmt.Sprintf("http ADDR: status %d, want 2xx", status)
		}
		want(t, both(t, "http", long, checks.Target{Addr: addr}), words, addr)
	}
}

func TestHTTPReceive(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		addr := web(t, host, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<h1>Test Page</h1>") })
		target := checks.Target{Addr: addr, Receive: receive("Test Page")}
		want(t, both(t, "http", long, target), "", addr)
		target.Receive = receive("Text Page")
		want(t, both(t, "http", long, target), `http ADDR: body does not match "Text Page"`, addr)
		target.Method = "HEAD"
		want(t, both(t, "http", long, target),
			`http ADDR: an answer to HEAD has no body: receive "Text Page" can never match`, addr)
		target.Receive = nil
		want(t, run(t, "http", long, target), "", addr)
	}
}

// TestHTTPRequest holds requests to what they have to be, byte for byte.
func TestHTTPRequest(t *testing.T) {
	const rest = "User-Agent: shunt\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	tests := []struct {
		name, check           string
		method, request, host string
		sent                  string
	}{
		{"default", "http", "", "/", "", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"empty", "http", "GET", "", "", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"virtual host", "http", "GET", "/a", "www.example.com", "GET /a HTTP/1.1\r\nHost: www.example.com\r\n"},
		{"virtual host with port", "http", "", "/", "www.example.com:81", "GET / HTTP/1.1\r\nHost: www.example.com:81\r\n"},
		{"no slash", "http", "head", "index.html", "", "HEAD /index.html HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"one slash is taken off", "http", "GET", "//a//b", "", "GET //a//b HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"encoded", "http", "GET", "/a b?c=ü\xff&d=%20", "", "GET /a%20b?c=%C3%BC%FF&d=%20 HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"no second header", "http", "GET", "/a\r\nX: y", "", "GET /a%0D%0AX:%20y HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"fragment", "http", "GET", "/a#b", "", "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"whole URL", "http", "GET", "/http://other.example/x y", "www", "GET /x%20y HTTP/1.1\r\nHost: other.example\r\n"},
		{"no login in the virtual host", "http", "GET", "/a@b", "", "GET /a@b HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{"whole URL with port", "http", "GET", "HTTP://other:81?q", "", "GET /?q HTTP/1.1\r\nHost: other:81\r\n"},
		{"URL in the query", "http", "GET", "/to?u=http://a/", "", "GET /to?u=http://a/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"},
		{
			"proxy", "http_proxy", "GET", "/http://www.example.com/a", "",
			"GET http://www.example.com/a HTTP/1.1\r\nHost: www.example.com\r\n",
		},
		{
			"proxy, TLS behind", "http_proxy", "GET", "https://www.example.com", "",
			"GET https://www.example.com/ HTTP/1.1\r\nHost: www.example.com\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
				got <- readHead(conn)
				_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
			})
			target := checks.Target{Addr: addr, Method: tt.method, Request: tt.request, VirtualHost: tt.host}
			want(t, run(t, tt.check, long, target), "", addr)
			if g := <-got; g != tt.sent+rest {
				t.Errorf("sent %q\nwant %q", g, tt.sent+rest)
			}
		})
	}
}

// A login in a URL is sent as libwww-perl sends it (RFC 7617, whose example this is),
// unless the file has a header for that; not to where a redirect leads, and no trace
// shows it.
func TestHTTPLoginInURL(t *testing.T) {
	const words = "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
	for _, tt := range []struct{ check, url, headers, sent string }{
		{"http", "http://Aladdin:open%20sesame@www.example.test/a", "", "GET /a HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: shunt\r\nAccept: */*\r\nAuthorization: Basic " + words + "\r\nConnection: close\r\n\r\n"},
		{"http_proxy", "http://Aladdin:open%20sesame@www.example.test/a", "", "GET http://www.example.test/a HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: shunt\r\nAccept: */*\r\nAuthorization: Basic " + words + "\r\nConnection: close\r\n\r\n"},
		{"http", "http://Aladdin@www.example.test/a", "", "GET /a HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: shunt\r\nAccept: */*\r\nAuthorization: Basic QWxhZGRpbjo=\r\nConnection: close\r\n\r\n"},
		{"http", "http://Aladdin:open%20sesame@www.example.test/a", "Authorization: Bearer b", "GET /a HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: shunt\r\nAccept: */*\r\nAuthorization: Bearer b\r\nConnection: close\r\n\r\n"},
	} {
		got := make(chan string, 20)
		addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
			head := readHead(conn)
			got <- head
			_, _ = io.WriteString(conn, "HTTP/1.1 302 Found\r\nLocation: http://other.example.test/\r\n\r\n")
		})
		trace := &checks.Trace{}
		_ = run(t, tt.check, long, checks.Target{Addr: addr, Request: "/" + tt.url, Headers: tt.headers, Trace: trace, Statuses: "302"})
		if g := <-got; g != tt.sent {
			t.Errorf("sent %q\nwant %q", g, tt.sent)
		}
		shown := fmt.Sprint(trace.Events())
		for _, secret := range []string{words, "sesame", "QWxhZGRpbjo="} {
			if strings.Contains(shown, secret) {
				t.Errorf("the trace shows %s: %s", secret, shown)
			}
		}
		redirected := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
			head := readHead(conn)
			got <- head
			_, _ = io.WriteString(conn, "HTTP/1.1 302 Found\r\nLocation: http://other.example.test/\r\n\r\n")
		})
		_ = run(t, tt.check, brief, checks.Target{Addr: redirected, Request: "/" + tt.url, Headers: tt.headers, VirtualHost: "x"})
		<-got
		select {
		case g := <-got:
			if strings.Contains(g, "Authorization") {
				t.Errorf("the login goes to another host: %q", g)
			}
		case <-time.After(long):
			t.Errorf("%s: the redirect is not followed", tt.url)
		}
	}
}

func TestHTTPRequestRefused(t *testing.T) {
	tests := []struct{ check, request, host, err string }{
		{"http", "/", "a b", `"a b" is no host name`},
		{"http", "/", "www\r\nX: y", `"www\r\nX: y" is no host name`},
		{"http", "http://user:pw@www@/", "", `"" is no host name`},
		{"http", "/", "user:pw@www", `"user:pw@www" is no host name`},
		{"http", "http://:80/", "", `":80" is no host name`},
		{"http_proxy", "/", "", `request "" is not a whole URL, which a proxy needs`},
		{"http_proxy", "/www.example.com/", "", `request "www.example.com/" is not a whole URL, which a proxy needs`},
	}
	for _, tt := range tests {
		addr := refused(t)
		err := run(t, tt.check, long, checks.Target{Addr: addr, Request: tt.request, VirtualHost: tt.host})
		want(t, err, tt.check+" ADDR: "+tt.err, addr)
	}
}

// The environment does not choose who is asked.
func TestHTTPIgnoresProxyVariables(t *testing.T) {
	t.Setenv("http_proxy", "http://"+refused(t).String())
	addr := web(t, "127.0.0.1", func(http.ResponseWriter, *http.Request) {})
	want(t, run(t, "http", long, checks.Target{Addr: addr}), "", addr)
}

const head200 = "HTTP/1.1 200 OK\r\n"

func TestHTTPBadServers(t *testing.T) {
	afterHead := func(f func(conn *net.TCPConn)) handler {
		return func(ctx context.Context, conn *net.TCPConn) {
			readHead(conn)
			f(conn)
			_ = conn.CloseWrite()
			<-ctx.Done()
		}
	}
	hold := func(s string) handler {
		return func(ctx context.Context, conn *net.TCPConn) {
			_, _ = io.WriteString(conn, s)
			<-ctx.Done()
		}
	}
	write := func(s string) handler { return afterHead(func(c *net.TCPConn) { _, _ = io.WriteString(c, s) }) }
	timedOut := "timed out after 200ms while waiting for the answer"
	tests := []struct {
		name  string
		serve handler
		brief bool
		err   string
	}{
		{"silent", silent, true, timedOut},
		{"status and no more", hold(head200), true, timedOut},
		{"half a status line", hold("HTTP/1.1 2"), true, timedOut},
		{"close at once", write(""), false, "connection closed while waiting for the answer"},
		{"close in the status line", write("HTTP/1.1 2"), false, "connection closed while waiting for the answer"},
		{"close in the headers", write(head200 + "Server: x"), false, "connection closed while waiting for the answer"},
		{
			"reset", func(_ context.Context, c *net.TCPConn) { readHead(c); _ = c.SetLinger(0) }, false,
			"connection reset by peer while waiting for the answer",
		},
		{"not HTTP", write("SSH-2.0-x\r\n\r\n"), false, `the answer has no status line and does not match "Test Page"`},
		{"endless line", afterHead(func(c *net.TCPConn) { endless(c, "x") }), false, `the answer has no status line and does not match "Test Page"`},
		{"endless status line", afterHead(func(c *net.TCPConn) { endless(c, "HTTP/1.1 ") }), false, "headers of more than 65536 bytes"},
		{"endless blank lines", afterHead(func(c *net.TCPConn) { endless(c, "\r\n") }), false, "headers of more than 65536 bytes"},
		{"endless headers", afterHead(func(c *net.TCPConn) {
			_, _ = io.WriteString(c, head200)
			endless(c, "X: y\r\n")
		}), false, "headers of more than 65536 bytes"},
		{
			"endless interim answers", afterHead(func(c *net.TCPConn) { endless(c, "HTTP/1.1 100 Continue\r\n\r\n") }), false,
			"headers of more than 65536 bytes",
		},
		{"interim answer", write("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + head200 + "\r\nTest Page"), false, ""},
		{"switching protocols", write("HTTP/1.1 101 Switching Protocols\r\n\r\n"), false, "status 101, want 2xx"},
		{"byte at a time", afterHead(func(c *net.TCPConn) { slowly(c, head200+"\r\nTest Page") }), false, ""},
		{"HTTP/1.0", write("HTTP/1.0 200 OK\r\n\r\nTest Page"), false, ""},
		{"chunks", write(head200 + "Transfer-Encoding: chunked\r\n\r\n5\r\nTest \r\n4\r\nPage\r\n0\r\n\r\n"), false, ""},
		{"body that does not end, matched", hold(head200 + "Content-Length: 99\r\n\r\nTest Page"), true, ""},
		{
			"body that does not end, not matched", hold(head200 + "Content-Length: 99\r\n\r\nTest"), true,
			`body does not match "Test Page": only 4 bytes of it arrived`,
		},
		{"body cut short, matched", write(head200 + "Content-Length: 99\r\n\r\nTest Page"), false, ""},
		{"endless body, matched", afterHead(func(c *net.TCPConn) { endless(c, head200+"\r\nTest Page") }), false, ""},
		{"endless body, not matched", afterHead(func(c *net.TCPConn) {
			_, _ = io.WriteString(c, head200+"\r\n")
			endless(c, "x")
		}), false, `the first 8388608 bytes of the body do not match "Test Page"`},
		{
			"error whose body does not end", hold("HTTP/1.1 503 No\r\nContent-Length: 99\r\n\r\nTest Page"), false,
			"status 503, want 2xx",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			timeout := long
			if tt.brief {
				timeout = brief
			}
			addr := server(t, "127.0.0.1", tt.serve)
			err := both(t, "http", timeout, checks.Target{Addr: addr, Receive: receive("Test Page")})
			want(t, err, wrapped("http ADDR: ", tt.err), addr)
		})
	}
}

// TestHTTPEndlessBodyUnread: a check without a pattern ends with its time too, and
// the 2xx counts.
func TestHTTPEndlessBodyUnread(t *testing.T) {
	addr := server(t, "127.0.0.1", func(_ context.Context, c *net.TCPConn) {
		_, _ = io.WriteString(c, head200+"\r\n")
		endless(c, "x")
	})
	want(t, run(t, "http", long, checks.Target{Addr: addr}), "", addr)
}

func TestHTTPUnreachable(t *testing.T) {
	for _, check := range []string{"http", "https"} {
		addr := refused(t)
		want(t, both(t, check, long, checks.Target{Addr: addr}), check+" ADDR: connection refused", addr)
	}
	addr := full(t)
	want(t, both(t, "http", brief, checks.Target{Addr: addr}), "http ADDR: timed out after 200ms while connecting", addr)
}
