package checks_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// nginx starts one with a server that has these lines and returns where it
// listens; LISTEN stands for the address.
func nginx(t *testing.T, lines string) netip.AddrPort {
	t.Helper()
	program := need.Program(t, "nginx")
	dir, addr := t.TempDir(), process.FreeAddr(t)
	a := newAuthority(t, "ours")
	writePair(t, filepath.Join(dir, "pair.pem"), a.good(t, "127.0.0.1"))
	if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte("Test Page\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	conf := strings.NewReplacer("LISTEN", addr.String(), "DIR", dir).Replace(fmt.Sprintf(`
user root; daemon off; master_process off; pid DIR/pid; error_log DIR/error.log;
events { worker_connections 64; }
http {
	access_log off; client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
	ssl_certificate DIR/pair.pem; ssl_certificate_key DIR/pair.pem;
	server {
		root DIR;
		%s
		location = /moved { return 302 /page.html; }
		location = /login { return 401 "log in\n"; }
		location = /secret { if ($http_authorization != "Basic c2VjcmV0") { return 403; } return 200 "$server_protocol $http_user_agent\n"; }
	}
}`, lines))
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	process.Start(t, program, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", filepath.Join(dir, "nginx.conf")).Listens(addr.String())
	return addr
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// TestHTTPWants asks nginx over both versions of HTTP, with and without TLS.
func TestHTTPWants(t *testing.T) {
	plain := nginx(t, "listen LISTEN;")
	plain2 := nginx(t, "listen LISTEN http2;")
	over := nginx(t, "listen LISTEN ssl;")
	over2 := nginx(t, "listen LISTEN ssl http2;")
	for _, server := range []struct {
		check   string
		addr    netip.AddrPort
		version int
		says    string
	}{
		{"http", plain, 1, "HTTP/1.1"},
		{"http", plain2, 2, "HTTP/2.0"},
		{"https", over, 1, "HTTP/1.1"},
		{"https", over2, 1, "HTTP/1.1"},
		{"https", over2, 2, "HTTP/2.0"},
	} {
		for _, tt := range []struct {
			name   string
			target checks.Target
			want   string
		}{
			{"page", checks.Target{Request: "/page.html", Receive: receive("^Test Page$")}, ""},
			{"HEAD", checks.Target{Request: "/page.html", Method: "HEAD"}, ""},
			{"no match", checks.Target{Request: "/page.html", Receive: receive("Text")}, `CHECK ADDR: body does not match "Text"`},
			{"missing", checks.Target{Request: "/missing"}, "CHECK ADDR: status 404, want 2xx"},
			{"missing is good", checks.Target{Request: "/missing", Statuses: "404"}, ""},
			{"found is not", checks.Target{Request: "/page.html", Statuses: "401,404"}, "CHECK ADDR: status 200, want 401,404"},
			{"401 with its body", checks.Target{Request: "/login", Statuses: "200-299,401", Receive: receive("^log in$")}, ""},
			{"redirect", checks.Target{Request: "/moved", Receive: receive("Test")}, ""},
			{"redirect is good", checks.Target{Request: "/moved", Statuses: "302"}, ""},
			{"digest", checks.Target{Request: "/page.html", BodyDigest: sum("Test Page\n")}, ""},
			{"digest and pattern", checks.Target{Request: "/page.html", BodyDigest: sum("Test Page\n"), Receive: receive("Page")}, ""},
			{"digest without pattern", checks.Target{Request: "/page.html", BodyDigest: sum("Test Page\n"), Receive: receive("Text")}, `CHECK ADDR: body does not match "Text with sha256:` + sum("Test Page\n") + `"`},
			{"another digest", checks.Target{Request: "/page.html", BodyDigest: sum("Test")}, `CHECK ADDR: body does not match "sha256:` + sum("Test") + `"`},
			{"no header", checks.Target{Request: "/secret"}, "CHECK ADDR: status 403, want 2xx"},
			{"header", checks.Target{Request: "/secret", Headers: "Authorization: Basic c2VjcmV0\nUser-Agent: me\n", Receive: receive("^" + server.says + " me$")}, ""},
		} {
			t.Run(fmt.Sprint(server.check, " ", server.says, " ", tt.name), func(t *testing.T) {
				tt.target.Addr, tt.target.HTTPVersion = server.addr, server.version
				want(t, run(t, server.check, long, tt.target), strings.Replace(tt.want, "CHECK", server.check, 1), server.addr)
			})
		}
	}
	err := run(t, "https", long, checks.Target{Addr: over, HTTPVersion: 2})
	if k := checks.KindOf(err); k != checks.TLS && k != checks.Protocol {
		t.Errorf("HTTP/2 where there is none: %v, of kind %q", err, k)
	}
	err = run(t, "http", long, checks.Target{Addr: plain, HTTPVersion: 2})
	if k := checks.KindOf(err); k != checks.Protocol {
		t.Errorf("HTTP/2 where there is none: %v, of kind %q", err, k)
	}
}

// TestHeadersStayWithTheirHost: what may be a password is not sent to whom a
// redirect leads.
func TestHeadersStayWithTheirHost(t *testing.T) {
	var seen []string
	addr := web(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Host+" "+r.Header.Get("Authorization"))
		if r.Host == "www.example.com" {
			http.Redirect(w, r, "http://other.example.com/", http.StatusFound)
		}
	})
	want(t, run(t, "http", long, checks.Target{Addr: addr, VirtualHost: "www.example.com", Headers: "Authorization: secret\n"}), "", addr)
	if got := strings.Join(seen, "; "); got != "www.example.com secret; other.example.com " {
		t.Error(got)
	}
}

// TestHTTP2BadServers: whatever comes, a check ends in time, in words.
func TestHTTP2BadServers(t *testing.T) {
	settings := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for _, tt := range []struct {
		name  string
		serve handler
		want  string
		kind  checks.Kind
	}{
		{"silent", silent, "http ADDR: timed out after 200ms while waiting for the answer", checks.Timeout},
		{"closes", says(""), "http ADDR: connection closed while waiting for the answer", checks.Closed},
		{"another protocol", says("HTTP/1.1 200 OK\r\n\r\nyes"), "", checks.Protocol},
		{"cut in a frame", says(settings + "\x00\x00"), "http ADDR: connection closed while waiting for the answer", checks.Closed},
		{"reset", says(settings + "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x07"), "http ADDR: the request was reset: REFUSED_STREAM", checks.Closed},
		{"goes away", says(settings + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0b"), "http ADDR: the real server goes away: ENHANCE_YOUR_CALM", checks.Closed},
		{"no headers", says(settings + "\x00\x00\x03\x00\x01\x00\x00\x00\x01yes"), "", checks.Closed},
		{"pings for ever", func(_ context.Context, c *net.TCPConn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			endless(c, "\x00\x00\x08\x06\x00\x00\x00\x00\x00pingping")
		}, "http ADDR: timed out after 200ms while waiting for the answer", checks.Timeout},
		{"headers for ever", func(_ context.Context, c *net.TCPConn) {
			_, _ = io.WriteString(c, settings+"\x00\x00\x00\x01\x00\x00\x00\x00\x01")
			endless(c, "\x00\x00\x40\x09\x00\x00\x00\x00\x01"+strings.Repeat("\x40\x01a\x01b\x82\x82\x82", 8))
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := server(t, "127.0.0.1", tt.serve)
			err := run(t, "http", brief, checks.Target{Addr: addr, HTTPVersion: 2})
			if err == nil || tt.want != "" && strings.ReplaceAll(err.Error(), addr.String(), "ADDR") != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if tt.kind != "" && checks.KindOf(err) != tt.kind {
				t.Errorf("%v is of kind %q, want %q", err, checks.KindOf(err), tt.kind)
			}
		})
	}
}
