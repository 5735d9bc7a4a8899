package programs_test

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// dovecot runs with a listener for each of imap, imaps, pop3 and pop3s.
func dovecot(t *testing.T) map[string]checked {
	t.Helper()
	need.Root(t)
	need.Programs(t, "dovecot")
	dir, ports, listen := openFolder(t), map[string]string{}, ""
	folder(t, dir, "base", "state", "mail")
	key, cert := certificate(t)
	for _, service := range []string{"imap", "pop3"} {
		listen += fmt.Sprintf("service %s-login {\n", service)
		for _, name := range []string{service, service + "s"} {
			ports[name] = freePort(t)
			listen += fmt.Sprintf("  inet_listener %s {\n    address = 127.0.0.1\n    port = %s\n    ssl = %s\n  }\n", name, ports[name], map[bool]string{true: "yes", false: "no"}[name != service])
		}
		listen += "}\n"
	}
	file := filepath.Join(dir, "dovecot.conf")
	write(t, file, fmt.Sprintf(`base_dir = %[1]s/base
state_dir = %[1]s/state
log_path = /dev/stderr
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
  args = password=secret
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
%[4]s`, dir, cert, key, listen))
	run(t, "chown", "-R", "dovecot", filepath.Join(dir, "mail"))
	p := start(t, "dovecot", "-F", "-c", file)
	all := map[string]checked{}
	for name, port := range ports {
		all[name] = checked{p, netip.MustParseAddrPort(net.JoinHostPort("127.0.0.1", port))}
		answers(t, p, all[name].addr.String())
	}
	return all
}

// Dovecot takes the login by CRAM-MD5, which it offers, and refuses another.
func TestCheckDovecot(t *testing.T) {
	all := dovecot(t)
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
	return postfixIn(t, openFolder(t))
}

// postfixIn runs it with its queue in a folder.
func postfixIn(t *testing.T, dir string) (open, shut checked) {
	t.Helper()
	need.Root(t)
	need.Programs(t, "postfix")
	folder(t, dir, "queue", "data", "queue/pid", "queue/private", "queue/public", "queue/incoming", "queue/active", "queue/maildrop")
	run(t, "chown", "-R", "postfix", dir+"/queue", dir+"/data")
	run(t, "chown", "root", dir+"/queue", dir+"/queue/pid")
	write(t, dir+"/main.cf", fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
myhostname = mail.example.test
mydestination = mail.example.test
inet_protocols = ipv4
alias_maps =
maillog_file = /dev/stdout
`, dir))
	ports := [2]string{freePort(t), freePort(t)}
	write(t, dir+"/master.cf", fmt.Sprintf(`127.0.0.1:%s inet n - n - - smtpd
127.0.0.1:%s inet n - n - - smtpd
  -o smtpd_delay_reject=no
  -o smtpd_client_restrictions=reject
postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
`, ports[0], ports[1]))
	p := start(t, "/usr/lib/postfix/sbin/master", "-d", "-c", dir)
	at := func(port string) checked {
		c := checked{p, netip.MustParseAddrPort("127.0.0.1:" + port)}
		answers(t, p, c.addr.String())
		return c
	}
	return at(ports[0]), at(ports[1])
}

func TestCheckPostfix(t *testing.T) {
	open, shut := postfix(t)
	open.well("smtp", checks.Target{})
	open.well("submission", checks.Target{})
	shut.fails("smtp", checks.Target{}, checks.Status, `greeting "554 `)
	open.fails("imap", checks.Target{}, checks.Protocol, `greeting "220 `)
	open.hangsAndStops("smtp", checks.Target{}, "while waiting for the greeting")
}
