package programs_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// dovecotPorts are free ports for each of imap, imaps, pop3 and pop3s.
func dovecotPorts(t *testing.T) map[string]string {
	t.Helper()
	ports := map[string]string{}
	for _, name := range []string{"imap", "imaps", "pop3", "pop3s"} {
		ports[name] = process.FreePort(t)
	}
	return ports
}

// dovecot runs at an address with a listener for each of the ports. It greets
// with the address.
func dovecot(t *testing.T, addr string, ports map[string]string, password, key, cert string) *process.Process {
	t.Helper()
	need.Root(t)
	need.Programs(t, "dovecot")
	dir, listen := process.Folder(t, ""), ""
	folder(t, dir, "base", "state", "mail")
	for _, service := range []string{"imap", "pop3"} {
		listen += fmt.Sprintf("service %s-login {\n", service)
		for _, name := range []string{service, service + "s"} {
			listen += fmt.Sprintf("  inet_listener %s {\n    address = %s\n    port = %s\n    ssl = %s\n  }\n", name, addr, ports[name], map[bool]string{true: "yes", false: "no"}[name != service])
		}
		listen += "}\n"
	}
	file := filepath.Join(dir, "dovecot.conf")
	write(t, file, fmt.Sprintf(`base_dir = %[1]s/base
state_dir = %[1]s/state
log_path = /dev/stderr
login_greeting = Dovecot at %[5]s
protocols = imap pop3
disable_plaintext_auth = no
auth_mechanisms = plain cram-md5 apop
auth_failure_delay = 0
mail_location = maildir:%[1]s/mail
first_valid_uid = 1
ssl = yes
ssl_cert = <%[2]s
ssl_key = <%[3]s
passdb {
  driver = static
  args = password=%[6]s
}
userdb {
  driver = static
  args = uid=dovecot gid=dovecot home=%[1]s/mail
}
service auth {
  unix_listener auth-userdb {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
%[4]s`, dir, cert, key, listen, addr, password))
	process.Run(t, "chown", "-R", "dovecot", filepath.Join(dir, "mail"))
	p := process.Start(t, "dovecot", "-F", "-c", file)
	for _, port := range ports {
		p.Listens(addr + ":" + port)
	}
	return p
}

// Dovecot takes the login by CRAM-MD5, which it offers, and refuses another.
func TestCheckDovecot(t *testing.T) {
	key, cert := certificate(t)
	ports, all := dovecotPorts(t), map[string]checked{}
	p := dovecot(t, "127.0.0.1", ports, "secret", key, cert)
	for name, port := range ports {
		all[name] = on(t, p, port)
	}
	joe := checks.Target{Login: "joe", Passwd: "secret"}
	wrong := checks.Target{Login: "joe", Passwd: "other"}
	anybody := &checks.TLSOptions{}
	for name, service := range map[string]string{"imap": "imap", "imaps": "imaps", "pop3": "pop", "pop3s": "pops"} {
		c, joe, wrong, nobody := all[name], joe, wrong, checks.Target{}
		if name == "imaps" || name == "pop3s" {
			c.fails(service, joe, checks.TLS, "signed by")
			joe.TLS, wrong.TLS, nobody.TLS = anybody, anybody, anybody
		}
		c.well(service, joe)
		c.well(service, nobody)
		c.fails(service, wrong, checks.Auth, "want")
	}
	all["imap"].fails("pop", joe, checks.Protocol, `greeting "* OK `)
	all["pop3"].fails("imap", joe, checks.Protocol, `greeting "+OK `)
	all["imap"].fails("imaps", joe, checks.TLS, "first record does not look like a TLS handshake")
	all["imap"].hangsAndStops("imap", joe, "while waiting for the greeting")
}

// postfix runs with a mail server on two ports; the second refuses everybody.
func postfix(t *testing.T) (open, shut checked) {
	t.Helper()
	return postfixIn(t, process.Folder(t, ""))
}

// postfixIn runs it with its queue in a folder.
func postfixIn(t *testing.T, dir string) (open, shut checked) {
	t.Helper()
	ports := [2]string{process.FreePort(t), process.FreePort(t)}
	p := postfixAt(t, dir, "127.0.0.1", ports[:1], ports[1:])
	return on(t, p, ports[0]), on(t, p, ports[1])
}

// postfixAt runs a mail server for mail.example.test at an address, on ports
// that take mail and on some that refuse everybody. It greets with the address.
func postfixAt(t *testing.T, dir, addr string, open, shut []string) *process.Process {
	t.Helper()
	need.Root(t)
	need.Programs(t, "postfix")
	folder(t, dir, "queue", "data", "queue/pid", "queue/private", "queue/public", "queue/incoming", "queue/active", "queue/maildrop")
	process.Run(t, "chown", "-R", "postfix", dir+"/queue", dir+"/data")
	process.Run(t, "chown", "root", dir+"/queue", dir+"/queue/pid")
	write(t, dir+"/main.cf", fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
myhostname = mail.example.test
mydestination = mail.example.test
smtpd_banner = $myhostname ESMTP at %[2]s
inet_protocols = ipv4
alias_maps =
maillog_file = /dev/stdout
`, dir, addr))
	listen := ""
	for _, port := range open {
		listen += fmt.Sprintf("%s:%s inet n - n - - smtpd\n", addr, port)
	}
	for _, port := range shut {
		listen += fmt.Sprintf("%s:%s inet n - n - - smtpd\n  -o smtpd_delay_reject=no\n  -o smtpd_client_restrictions=reject\n", addr, port)
	}
	write(t, dir+"/master.cf", listen+`postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
`)
	p := process.Start(t, "/usr/lib/postfix/sbin/master", "-d", "-c", dir)
	for _, port := range slices.Concat(open, shut) {
		p.Listens(addr + ":" + port)
	}
	return p
}

func TestCheckPostfix(t *testing.T) {
	open, shut := postfix(t)
	open.well("smtp", checks.Target{})
	open.well("submission", checks.Target{})
	shut.fails("smtp", checks.Target{}, checks.Status, `greeting "554 `)
	open.fails("imap", checks.Target{}, checks.Protocol, `greeting "220 `)
	open.hangsAndStops("smtp", checks.Target{}, "while waiting for the greeting")
}
