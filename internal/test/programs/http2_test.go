package programs_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// HTTP/2 over TLS: thousands of streams with not one status but 2xx, and files
// both ways, for nghttpd and for nginx.
func TestHTTP2(t *testing.T) {
	need.Programs(t, "h2load", "nghttpd", "curl")
	key, cert := certificate(t)
	root := t.TempDir()
	f := content(t, root, "file", 32<<20)
	write(t, filepath.Join(root, "index.html"), strings.Repeat("line of a page\n", 100))
	t.Run("nghttpd", func(t *testing.T) {
		port := process.FreePort(t)
		for _, addr := range reals {
			process.Start(t, "nghttpd", "-a", addr, "-d", root, port, key, cert).Listens(addr + ":" + port)
		}
		http2(t, port, cert, f)
	})
	t.Run("nginx", func(t *testing.T) {
		port := process.FreePort(t)
		for _, addr := range reals {
			nginx(t, addr+":"+port, "ssl http2", root, "ssl_certificate "+cert, "ssl_certificate_key "+key)
		}
		d, url := http2(t, port, cert, f)
		got := process.Run(t, "curl", "-sSf", "--http2", "--cacert", cert, "-w", "%{http_version} %{http_code}", "-T", f.path, url+"up/file")
		if got != "2 201" {
			t.Errorf("version and status of the upload are %s", got)
		}
		f.is(t, filepath.Join(root, "up", "file"))
		d.carried(id("tcp", port), 20+1+1)
	})
}

// http2 runs shunt and the clients.
func http2(t *testing.T, port, cert string, f file) (d *daemon, url string) {
	t.Helper()
	d = direct(t, service(port, reals, "scheduler = wlc", "checktype = connect"))
	url = fmt.Sprintf("https://%s:%s/", vip, port)
	const n = 4000
	out := process.Run(t, "h2load", "-n", fmt.Sprint(n), "-c", "20", "-m", "10", url)
	for _, want := range []string{
		fmt.Sprintf("%d total, %[1]d started, %[1]d done, %[1]d succeeded, 0 failed, 0 errored, 0 timeout", n),
		fmt.Sprintf("status codes: %d 2xx, 0 3xx, 0 4xx, 0 5xx", n), "Application protocol: h2",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("h2load says\n%s\nwant %q in it", out, want)
		}
	}
	dir := t.TempDir()
	got := process.Run(t, "curl", "-sSf", "--http2", "--cacert", cert, "-Z", "-w", "%{http_version} %{http_code}\n",
		url+"file?[1-4]", "-o", filepath.Join(dir, "#1"))
	if want := strings.Repeat("2 200\n", 4); got != want {
		t.Errorf("versions and statuses of downloads are %q, want %q", got, want)
	}
	for i := range 4 {
		f.is(t, filepath.Join(dir, fmt.Sprint(i+1)))
	}
	d.carried(id("tcp", port), 20+1)
	return d, url
}
