package programs_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// pageOf is a target of a check that wants a pattern in a page.
func pageOf(t *testing.T, request, pattern string) checks.Target {
	t.Helper()
	return checks.Target{Request: request, Receive: matcher(t, pattern), TLS: &checks.TLSOptions{}}
}

// judged asks a web server the questions of http or https that each has to
// answer alike.
func (c checked) judged(service string) {
	c.t.Helper()
	page := func(request, pattern string) checks.Target { return pageOf(c.t, request, pattern) }
	c.well(service, page("/index.html", "^all is well"))
	c.well(service, checks.Target{Request: "/", Method: "HEAD", TLS: &checks.TLSOptions{}})
	c.fails(service, page("/index.html", "is ill"), checks.Mismatch, `does not match "is ill"`)
	c.fails(service, page("/missing.html", "well"), checks.Status, "status 404, want 2xx")
	c.fails(service, page("/closed/index.html", "well"), checks.Status, "status 403, want 2xx")
}

// nginx answers http, and on another port https.
func TestCheckNginx(t *testing.T) {
	root, key, cert := t.TempDir(), "", ""
	key, cert = certificate(t)
	write(t, filepath.Join(root, "index.html"), "all is well\n")
	run := func(options string, directives ...string) checked {
		port := process.FreePort(t)
		return on(t, nginx(t, vip+":"+port, options, root, append(directives, "location /closed/ { deny all; }")...), port)
	}
	plain, secure := run(""), run("ssl", "ssl_certificate "+cert, "ssl_certificate_key "+key)
	webServer(t, plain, secure)
}

// webServer asks a server of http and one of https, each also for the other's
// protocol and that of mail.
func webServer(t *testing.T, plain, secure checked) {
	t.Helper()
	well := pageOf(t, "/index.html", "well")
	plain.judged("http")
	secure.judged("https")
	plain.fails("https", well, checks.TLS, "first record does not look like a TLS handshake")
	secure.fails("http", well, checks.Status, "status 400, want 2xx")
	plain.fails("imap", checks.Target{}, checks.Timeout, "while waiting for the greeting")
	secure.fails("https", checks.Target{Request: "/index.html", TLS: &checks.TLSOptions{Verify: true}}, checks.TLS, "signed by")
	secure.hangsAndStops("https", well, "TLS handshake")
	plain.hangsAndStops("http", well, "while waiting for the answer")
}

// Apache answers http and https, each on its port, by one program.
func TestCheckApache(t *testing.T) {
	need.Root(t)
	need.Programs(t, "apache2")
	dir, ports := process.Folder(t, ""), [2]string{process.FreePort(t), process.FreePort(t)}
	key, cert := certificate(t)
	folder(t, dir, "root/closed")
	write(t, dir+"/root/index.html", "all is well\n")
	write(t, dir+"/root/closed/index.html", "all is well\n")
	apache := func(port, more string) checked {
		file := filepath.Join(dir, port+".conf")
		write(t, file, fmt.Sprintf(`ServerRoot /usr/lib/apache2
ServerName localhost
PidFile %[1]s/%[2]s.pid
DefaultRuntimeDir %[1]s
ErrorLog /dev/stderr
User www-data
Group www-data
Listen 127.0.0.1:%[2]s
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule dir_module modules/mod_dir.so
DocumentRoot %[1]s/root
<Location /closed>
Require all denied
</Location>
%[3]s`, dir, port, more))
		return on(t, process.Start(t, "apache2", "-DFOREGROUND", "-f", file), port)
	}
	webServer(t, apache(ports[0], ""), apache(ports[1], fmt.Sprintf(`LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
SSLEngine on
SSLCertificateFile %s
SSLCertificateKeyFile %s
`, cert, key)))
}

// Squid fetches what the check asks for from nginx, refuses one path, wants a
// login for another, and says when nginx is gone.
func TestCheckSquid(t *testing.T) {
	need.Root(t)
	need.Programs(t, "squid")
	dir, root, port, origin := process.Folder(t, ""), t.TempDir(), process.FreePort(t), vip+":"+process.FreePort(t)
	write(t, filepath.Join(root, "index.html"), "all is well\n")
	behind := nginx(t, origin, "", root)
	process.Run(t, "chown", "proxy", dir)
	file := filepath.Join(dir, "squid.conf")
	write(t, file, strings.NewReplacer("DIR", dir, "PORT", port).Replace(`http_port 127.0.0.1:PORT
visible_hostname localhost
pid_filename none
cache_log DIR/log
access_log none
coredump_dir DIR
netdb_filename none
pinger_enable off
cache deny all
shutdown_lifetime 0 seconds
connect_retries 0
auth_param basic program /usr/lib/squid/basic_fake_auth
acl closed urlpath_regex ^/closed
acl private urlpath_regex ^/private
acl known proxy_auth REQUIRED
http_access deny closed
http_access allow private known
http_access deny private
http_access allow all
`))
	c := on(t, process.Start(t, "squid", "-N", "-f", file), port)
	page := func(path, pattern string) checks.Target { return pageOf(t, "http://"+origin+path, pattern) }
	well := page("/index.html", "^all is well")
	c.well("http_proxy", well)
	c.fails("http_proxy", page("/index.html", "is ill"), checks.Mismatch, `does not match "is ill"`)
	c.fails("http_proxy", page("/missing.html", "well"), checks.Status, "status 404, want 2xx")
	c.fails("http_proxy", page("/closed", "well"), checks.Status, "status 403, want 2xx")
	c.fails("http_proxy", page("/private", "well"), checks.Status, "status 407, want 2xx")
	c.fails("http", pageOf(t, "/index.html", "well"), checks.Status, "status 400, want 2xx")
	c.fails("imap", checks.Target{}, checks.Timeout, "while waiting for the greeting")
	c.hangs("http_proxy", well, "while waiting for the answer")
	behind.Stop()
	c.fails("http_proxy", well, checks.Status, "status 503, want 2xx")
	c.gone("http_proxy", well)
}
