package checks_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shunt-lb/shunt/checks"
)

// redirect sends / to location, with ADDR and PORT filled in, and answers
// /here with 200 for the Host it is to be asked for.
func redirect(t *testing.T, status int, location, host string) netip.AddrPort {
	t.Helper()
	fill := func(s string, r *http.Request) string {
		local := r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer).String()
		_, port, _ := strings.Cut(local, ":")
		return strings.NewReplacer("ADDR", local, "PORT", port).Replace(s)
	}
	return web(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/":
			w.Header().Set("Location", fill(location, r))
			w.WriteHeader(status)
		case r.URL.Path != "/here" || r.Host != fill(host, r):
			t.Errorf("asked for %s of host %q, want /here of %q", r.URL, r.Host, fill(host, r))
		}
	})
}

func TestHTTPRedirect(t *testing.T) {
	tests := []struct{ name, location, virtualHost, host, err string }{
		{"relative", "here", "www.example.com", "www.example.com", ""},
		{"path", "/here", "", "127.0.0.1", ""},
		{"query and fragment", "/here?a=b c#d", "", "127.0.0.1", ""},
		{"whole, the default port is the checked one", "http://127.0.0.1/here", "", "127.0.0.1", ""},
		{"whole, with the checked port", "http://ADDR/here", "", "ADDR", ""},
		{"same name", "http://WWW.example.com/here", "www.example.com", "WWW.example.com", ""},
		{"same name, checked port", "http://www.example.com:PORT/here", "www.example.com", "www.example.com:PORT", ""},
		{"name to address", "http://127.0.0.1/here", "www.example.com", "127.0.0.1", ""},
		{"no scheme", "//www.example.com/here", "www.example.com", "www.example.com", ""},
		{"other name", "http://other.example/here", "www.example.com", "other.example", ""},
		{"other address", "http://127.0.0.2/here", "", "127.0.0.2", ""},
		{"address to name", "http://www.example.com/here", "", "www.example.com", ""},
		{"other port", "http://127.0.0.1:1/here", "", "", "redirected to http://127.0.0.1:1/here: 127.0.0.1:1: connection refused"},
		{"other scheme", "https://www.example.com:1/here", "", "", "redirected to https://www.example.com:1/here: 127.0.0.1:1: connection refused"},
		{"no TLS there", "https://www.example.com:PORT/here", "", "", "redirected to https://www.example.com:PORT/here: ADDR: tls: first record does not look like a TLS handshake"},
		{"no HTTP", "ftp://127.0.0.1/x", "", "", `redirected to "ftp://127.0.0.1/x", which is not HTTP`},
		{"no URL", "http://[::1/x", "", "", `redirected to "http://[::1/x", which is no URL`},
		{"no location", "", "", "", "status 302, want 2xx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := redirect(t, http.StatusFound, tt.location, tt.host)
			err := run(t, "http", long, checks.Target{Addr: addr, VirtualHost: tt.virtualHost})
			_, port, _ := strings.Cut(addr.String(), ":")
			want(t, err, wrapped("http ADDR: ", strings.ReplaceAll(tt.err, "PORT", port)), addr)
		})
	}
}

// TestHTTPRedirectNamed: what goes wrong behind a redirect is said of the
// address that was asked, and not of the one that the check began with.
func TestHTTPRedirectNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		serve handler
		err   string
	}{
		"silent":   {silent, "timed out after 200ms while waiting for the answer"},
		"closes":   {func(_ context.Context, c *net.TCPConn) { readHead(c) }, "connection closed while waiting for the answer"},
		"no HTTP":  {says("HTTP/1.1 what?\r\n"), `malformed HTTP response "HTTP/1.1 what?"`},
		"too long": {func(_ context.Context, c *net.TCPConn) { endless(c, head200+"X: y\r\n") }, "headers of more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			second := server(t, "127.0.0.1", tt.serve)
			location := fmt.Sprintf("http://www.example.com:%d/here", second.Port())
			first := redirect(t, http.StatusFound, location, "")
			err := run(t, "http", brief, checks.Target{Addr: first})
			want(t, err, "http ADDR: redirected to "+location+": "+second.String()+": "+tt.err, first)
		})
	}
}

func TestHTTPRedirectStatus(t *testing.T) {
	for status, words := range map[int]string{
		301: "", 302: "", 303: "", 307: "", 308: "",
		300: "http ADDR: status 300, want 2xx", 304: "http ADDR: status 304, want 2xx",
	} {
		addr := redirect(t, status, "/here", "127.0.0.1")
		want(t, run(t, "http", long, checks.Target{Addr: addr}), words, addr)
	}
}

func TestHTTPRedirectLoop(t *testing.T) {
	var asked atomic.Int32
	addr := web(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	want(t, run(t, "http", long, checks.Target{Addr: addr}),
		"http ADDR: more than 7 redirects, the last one to http://127.0.0.1/again", addr)
	if n := asked.Load(); n != 8 {
		t.Errorf("the loop cost %d requests, want 8", n)
	}
}

func TestHTTPSevenRedirects(t *testing.T) {
	var asked atomic.Int32
	addr := web(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 8 {
			http.Redirect(w, r, "/again", http.StatusFound)
		}
	})
	want(t, run(t, "http", long, checks.Target{Addr: addr}), "", addr)
}

// Nobody but the real server is asked, also if a URL names somebody who would
// answer.
func TestHTTPOtherHostIsNotAsked(t *testing.T) {
	other := web(t, "127.0.0.2", func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") })
	addr := web(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		if r.Host == other.String() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "http://"+other.String()+"/", http.StatusFound)
	})
	_, port, _ := strings.Cut(other.String(), ":")
	want(t, run(t, "http", long, checks.Target{Addr: addr}),
		"http ADDR: redirected to http://"+other.String()+"/: 127.0.0.1:"+port+": connection refused", addr) // nobody but the other host has that port
	want(t, run(t, "http", long, checks.Target{Addr: addr, Request: "http://" + other.String() + "/"}),
		"http ADDR: status 503, want 2xx", addr)
}

// The real server is the proxy; redirects lead wherever it goes.
func TestHTTPProxyRedirect(t *testing.T) {
	addr := web(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() == "http://www.example.com/" {
			http.Redirect(w, r, "http://other.example/", http.StatusFound)
		} else if r.URL.String() != "http://other.example/" {
			t.Errorf("the proxy was asked for %s", r.URL)
		}
	})
	want(t, run(t, "http_proxy", long, checks.Target{Addr: addr, Request: "/http://www.example.com/"}), "", addr)
}
