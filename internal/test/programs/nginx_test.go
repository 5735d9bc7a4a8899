package programs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// nginx runs a web server on addr that serves root at / and stores what is PUT
// below /up/. Directives of its server may follow, "ssl" and the like after
// the address.
func nginx(t *testing.T, addr, options, root string, directives ...string) *process.Process {
	t.Helper()
	need.Programs(t, "nginx")
	dir := t.TempDir()
	more := ""
	for _, d := range directives {
		if more += d; !strings.HasSuffix(d, "}") {
			more += "; "
		}
	}
	must(t, os.MkdirAll(filepath.Join(root, "up"), 0o755))
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr warn; user root; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path %[4]s/.body; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
  uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; client_max_body_size 0; sendfile on;
  server {
    listen %[2]s %[3]s; root %[4]s; %[5]s
    location /up/ { dav_methods PUT; }
  }
}`, dir, addr, options, root, more))
	p := process.Start(t, "nginx", "-c", filepath.Join(dir, "nginx.conf"), "-p", dir, "-e", "stderr")
	p.Listens(addr)
	return p
}
