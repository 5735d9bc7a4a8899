package sorry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/sorry"
)

// write creates files with the given contents below a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFolder(t *testing.T) {
	dir := write(t, map[string]string{
		"secret": "SECRET", "site/index.html": "INDEX", "site/style.css": "STYLE", "site/sub/other.html": "OTHER",
		"site/sub/index.html": "SUBINDEX", "site/.htpasswd": "SECRET", "site/.git/config": "SECRET",
	})
	for name, target := range map[string]string{
		"out": "../secret", "dirout": "..", "passwd": "/etc/passwd", "in.css": "style.css",
	} {
		if err := os.Symlink(target, filepath.Join(dir, "site", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "site", "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "http", Page: filepath.Join(dir, "site")})
	address := front(t, s, "tcp4")
	tests := []struct {
		path, body, kind string
		status           int
	}{
		{"/", "INDEX", "text/html; charset=utf-8", 503},
		{"/index.html", "INDEX", "text/html; charset=utf-8", 503},
		{"/not/there", "INDEX", "text/html; charset=utf-8", 503},
		{"/style.css", "STYLE", "text/css; charset=utf-8", 200},
		{"/./sub/../style.css?v=1", "STYLE", "text/css; charset=utf-8", 200},
		{"/in.css", "STYLE", "text/css; charset=utf-8", 200},
		{"/sub/other.html", "OTHER", "text/html; charset=utf-8", 503},
		{"/sub/", "INDEX", "text/html; charset=utf-8", 503},
		{"/sub", "INDEX", "text/html; charset=utf-8", 503},
		{"/../secret", "INDEX", "text/html; charset=utf-8", 503},
		{"/%2e%2e/secret", "INDEX", "text/html; charset=utf-8", 503},
		{"/..%2fsecret", "INDEX", "text/html; charset=utf-8", 503},
		{"/sub/..%2f..%2fsecret", "INDEX", "text/html; charset=utf-8", 503},
		{"/..%5csecret", "INDEX", "text/html; charset=utf-8", 503},
		{"/style.css%00.html", "INDEX", "text/html; charset=utf-8", 503},
		{"/out", "INDEX", "text/html; charset=utf-8", 503},
		{"/dirout/secret", "INDEX", "text/html; charset=utf-8", 503},
		{"/passwd", "INDEX", "text/html; charset=utf-8", 503},
		{"//etc/passwd", "INDEX", "text/html; charset=utf-8", 503},
		{"/.htpasswd", "INDEX", "text/html; charset=utf-8", 503},
		{"/.git/config", "INDEX", "text/html; charset=utf-8", 503},
		{"/sub/../.htpasswd", "INDEX", "text/html; charset=utf-8", 503},
		{"/pipe", "INDEX", "text/html; charset=utf-8", 503},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				answer, err := exchange(t, address, method+" "+tt.path+" HTTP/1.1\r\nHost: x\r\n\r\n")
				if err != nil {
					t.Fatal(err)
				}
				r, body := parse(t, answer, method)
				want := tt.body
				if method == "HEAD" {
					want = ""
				}
				if r.StatusCode != tt.status || body != want || r.Header.Get("Content-Type") != tt.kind {
					t.Errorf("%s: %d %q %q", method, r.StatusCode, body, r.Header.Get("Content-Type"))
				}
				if r.ContentLength != int64(len(tt.body)) || r.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: length %d, %s", method, r.ContentLength, r.Header.Get("Cache-Control"))
				}
			}
		})
	}
}

func TestPageIsReadAgainBySet(t *testing.T) {
	dir := write(t, map[string]string{"page.html": "FIRST", "note.txt": "NOTE"})
	file := filepath.Join(dir, "page.html")
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "http", Page: file})
	address := front(t, s, "tcp4")
	get := func() string {
		answer, err := exchange(t, address, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		r, body := parse(t, answer, "GET")
		return r.Header.Get("Content-Type") + " " + body
	}
	if got := get(); got != "text/html; charset=utf-8 FIRST" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(file, []byte("SECOND"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(service, sorry.Site{Protocol: "http", Page: file}); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != "text/html; charset=utf-8 SECOND" {
		t.Errorf("after Set: %q", got)
	}
	if err := s.Set(service, sorry.Site{Protocol: "http", Page: file + ".gone"}); err == nil {
		t.Error("a page that is not there was accepted")
	}
	if got := get(); got != "text/html; charset=utf-8 SECOND" {
		t.Errorf("after a Set that failed: %q", got)
	}
	if err := s.Set(service, sorry.Site{Protocol: "http", Page: filepath.Join(dir, "note.txt")}); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != "text/plain; charset=utf-8 NOTE" {
		t.Errorf("text: %q", got)
	}
	if got := s.Stats()[service].Requests; got != 4 {
		t.Errorf("%d requests counted over all sites, want 4", got)
	}
}

func TestSetRefuses(t *testing.T) {
	dir := write(t, map[string]string{"big.html": strings.Repeat("x", 1<<20+1), "dir/empty/x": "", "link/x": ""})
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../big.html", filepath.Join(dir, "link", "index.html")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		site sorry.Site
		want string
	}{
		{"missing", sorry.Site{Page: filepath.Join(dir, "gone")}, "no such file"},
		{"too big", sorry.Site{Page: filepath.Join(dir, "big.html")}, "1048577 bytes, want at most 1048576"},
		{"no index", sorry.Site{Page: filepath.Join(dir, "dir")}, "index.html: no such file"},
		{"index leads out", sorry.Site{Page: filepath.Join(dir, "link")}, "escapes"},
		{"pipe", sorry.Site{Page: filepath.Join(dir, "pipe")}, "not a regular file"},
		{"device", sorry.Site{Page: "/dev/zero"}, "not a regular file"},
		{"status", sorry.Site{Status: 99}, "status 99"},
		{"status without body", sorry.Site{Status: 304}, "status 304"},
		{"retry", sorry.Site{RetryAfter: -1}, "retry after"},
	}
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := s.Set("tcp 192.0.2.2:80", tt.site)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "tcp 192.0.2.2:80") {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if got := len(s.Stats()); got != 1 {
		t.Errorf("%d services, want the one that was set", got)
	}
}
