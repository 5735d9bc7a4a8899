package checks_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A realServer is a program of Debian's that is checked.
type realServer struct {
	*process.Process
	t *testing.T
}

// startReal starts a program that stays in the foreground, as a user if that is
// not empty and the test is root's.
func startReal(t *testing.T, as, name string, args ...string) *realServer {
	t.Helper()
	return &realServer{process.StartAs(t, as, name, args...), t}
}

// serves waits until a check of the program succeeds.
func (p *realServer) serves(name string, target checks.Target) {
	p.t.Helper()
	check, _ := checks.For(name)
	wait.For(p.t, p.Cmd.String()+" serves", func() (string, bool) {
		ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
		defer cancel()
		err := check(ctx, target)
		if err != nil && !p.Running() {
			p.t.Fatalf("%s has ended: %v", p.Cmd, err)
		}
		return errText(err), err == nil
	})
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A question to a real server, and its verdict: the kind and the words, in which
// ADDR stands for the address.
type question struct {
	name   string
	change func(*checks.Target)
	kind   checks.Kind
	words  string
}

// ask has the questions answered, and then those that any server is asked: the
// one that hangs after accept, the one of another protocol, and the one that is
// stopped. well is a target that is well.
func (p *realServer) ask(name string, well checks.Target, questions ...question) {
	p.t.Helper()
	for _, q := range questions {
		p.t.Run(q.name, func(t *testing.T) {
			target := well
			q.change(&target)
			verdict(t, run(t, name, long, target), q.kind, q.words, target.Addr)
		})
	}
	p.Freeze()
	err := run(p.t, name, brief, well)
	if got := checks.KindOf(err); got != checks.Timeout {
		p.t.Errorf("hanging: %s, %v", got, err)
	}
	p.Kill()
	if err = run(p.t, name, long, well); checks.KindOf(err) != checks.Refused {
		p.t.Errorf("stopped: %s, %v", checks.KindOf(err), err)
	}
}

func verdict(t *testing.T, err error, kind checks.Kind, words string, addr netip.AddrPort) {
	t.Helper()
	want(t, err, words, addr)
	if got := checks.KindOf(err); got != kind {
		t.Errorf("%v is %s, want %s", err, got, kind)
	}
}

func TestRealMySQL(t *testing.T) {
	need.Programs(t, "mariadbd", "mariadb-install-db")
	const as = "mysql"
	dir, addr := process.Folder(t, as), process.FreeAddr(t)
	data := filepath.Join(dir, "data")
	process.RunAs(t, as, "mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	begin := writeFile(t, dir, "begin.sql", `CREATE DATABASE cluster;
CREATE TABLE cluster.alive (a INT);
INSERT INTO cluster.alive VALUES (1), (2), (3);
CREATE TABLE cluster.nothing (a INT);
CREATE TABLE cluster.many AS SELECT REPEAT('x', 1000) AS a FROM cluster.seq_1_to_10000;
CREATE USER 'check'@'%' IDENTIFIED BY 'secret';
GRANT SELECT, UPDATE ON cluster.* TO 'check'@'%';
CREATE USER 'locked'@'%' IDENTIFIED BY 'secret' ACCOUNT LOCK;
CREATE USER 'modern'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret');
GRANT SELECT ON cluster.* TO 'modern'@'%';
CREATE USER 'elsewhere'@'192.0.2.1' IDENTIFIED BY 'secret';
`)
	p := startReal(t, as, "mariadbd", "--no-defaults", "--datadir="+data, "--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"),
		"--bind-address="+addr.Addr().String(), fmt.Sprint("--port=", addr.Port()), "--skip-name-resolve", "--plugin-load-add=auth_ed25519", "--innodb-buffer-pool-size=8M", "--init-file="+begin)
	well := checks.Target{Addr: addr, Login: "check", Passwd: "secret", Database: "cluster", Request: "/select a from alive"}
	p.serves("mysql", well)
	request := func(s string) func(*checks.Target) { return func(t *checks.Target) { t.Request = "/" + s } }
	login := func(s string) func(*checks.Target) { return func(t *checks.Target) { t.Login = s } }
	p.ask("mysql", well,
		question{"no database", func(t *checks.Target) { t.Database, t.Request = "", "/select a from cluster.alive" }, "", ""},
		question{"ed25519", login("modern"), "", ""},
		question{"10 MB", request("select a from many"), "", ""},
		question{"update of three rows", request("update alive set a = 1"), "", ""},
		question{"update of no row", request("update alive set a = 1 where a = 7"), checks.Mismatch, "mysql ADDR: the query has no rows"},
		question{"row into a variable", request("select 1 into @a"), "", ""},
		question{"no result", request("do 1"), checks.Mismatch, "mysql ADDR: the query has no rows"},
		question{"no row", request("select a from nothing"), checks.Mismatch, "mysql ADDR: the query has no rows"},
		question{
			"two statements", request("select 1; select 2"), checks.Status,
			"mysql ADDR: error 1064: You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for the right syntax to use near 'select 2' at line 1",
		},
		question{"no table", request("select a from missing"), checks.Status, "mysql ADDR: error 1146: Table 'cluster.missing' doesn't exist"},
		question{
			"no right", request("insert into alive values (4)"), checks.Status,
			"mysql ADDR: error 1142: INSERT command denied to user 'check'@'127.0.0.1' for table `cluster`.`alive`",
		},
		question{
			"wrong password", func(t *checks.Target) { t.Passwd = "other" }, checks.Auth,
			"mysql ADDR: error 1045: Access denied for user 'check'@'127.0.0.1' (using password: YES)",
		},
		question{"locked", login("locked"), checks.Auth, "mysql ADDR: error 4151: Access denied, this account is locked"},
		question{"other host", login("elsewhere"), checks.Auth, "mysql ADDR: error 1045: Access denied for user 'elsewhere'@'127.0.0.1' (using password: YES)"},
		question{"no login", login(""), checks.Other, "mysql ADDR: there is nobody to log in or no query to make: set login and request"},
	)
}

func TestRealPgSQL(t *testing.T) {
	const as = "postgres"
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		need.Program(t, "initdb")
	}
	bin := found[len(found)-1]
	dir, addr := process.Folder(t, as), process.FreeAddr(t)
	data := filepath.Join(dir, "data")
	process.RunAs(t, as, bin+"/initdb", "-D", data, "-U", "boss", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	writeFile(t, data, "pg_hba.conf", "host all boss 127.0.0.0/8 trust\nhost all older 127.0.0.0/8 md5\nhost all clear 127.0.0.0/8 password\nhost all rejected 127.0.0.0/8 reject\n"+
		"hostnossl all bare 127.0.0.0/8 scram-sha-256\nhostssl all covered 127.0.0.0/8 scram-sha-256\nhost all check 127.0.0.0/8 scram-sha-256\n")
	process.RunAs(t, as, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=postgres",
		"-keyout", data+"/server.key", "-out", data+"/server.crt")
	p := startReal(t, as, bin+"/postgres", "-D", data, "-h", addr.Addr().String(), "-p", fmt.Sprint(addr.Port()),
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "ssl=on")
	boss := checks.Target{Addr: addr, Login: "boss", Database: "postgres", Request: "select 1"}
	p.serves("pgsql", boss)
	boss.Request = `CREATE TABLE alive (a INT); INSERT INTO alive VALUES (1), (2), (3); CREATE TABLE nothing (a INT);
CREATE TABLE many AS SELECT repeat('x', 1000) AS a FROM generate_series(1, 10000);
CREATE ROLE "check" LOGIN PASSWORD 'secret'; CREATE ROLE rejected LOGIN; CREATE ROLE "bare" LOGIN PASSWORD 'secret'; CREATE ROLE covered LOGIN PASSWORD 'secret';
SET password_encryption = 'md5'; CREATE ROLE older LOGIN PASSWORD 'secret'; CREATE ROLE "clear" LOGIN PASSWORD 'secret';
GRANT SELECT, UPDATE ON alive, nothing, many TO PUBLIC; SELECT 1`
	p.serves("pgsql", boss)
	well := checks.Target{Addr: addr, Login: "check", Passwd: "secret", Database: "postgres", Request: "/select a from alive"}
	p.serves("pgsql", well)
	request := func(s string) func(*checks.Target) { return func(t *checks.Target) { t.Request = "/" + s } }
	login := func(s string) func(*checks.Target) { return func(t *checks.Target) { t.Login = s } }
	p.ask("pgsql", well,
		question{"md5", login("older"), "", ""},
		question{"clear text", login("clear"), "", ""},
		question{"without TLS alone", login("bare"), "", ""},
		question{"with TLS alone", login("covered"), "", ""},
		question{"10 MB", request("select a from many"), "", ""},
		question{"two statements", request("select 1; select 2"), "", ""},
		question{"update of three rows", request("update alive set a = 1"), "", ""},
		question{"update of no row", request("update alive set a = 1 where a = 7"), checks.Mismatch, "pgsql ADDR: the query has no rows"},
		question{"question mark", request(`select '{"a":1}'::jsonb ? 'a'`), "", ""},
		question{"a copy", request("copy alive to stdout"), checks.Mismatch, "pgsql ADDR: the query has no rows"},
		question{"a cursor", request("begin; declare c cursor for select 1; move 1 from c"), "", ""},
		question{"no row", request("select 1; select a from nothing"), checks.Mismatch, "pgsql ADDR: the query has no rows"},
		question{"NULL", request("select null"), "", ""},
		question{"error behind a row", request("select 1; select 1/0"), checks.Status, "pgsql ADDR: error 22012: division by zero"},
		question{"no table", request("select a from missing"), checks.Status, `pgsql ADDR: error 42P01: relation "missing" does not exist`},
		question{"no right", request("delete from alive"), checks.Status, "pgsql ADDR: error 42501: permission denied for table alive"},
		question{"no database", func(t *checks.Target) { t.Database = "" }, checks.Status, `pgsql ADDR: error 3D000: database "check" does not exist`},
		question{"wrong password", func(t *checks.Target) { t.Passwd = "other" }, checks.Auth, `pgsql ADDR: error 28P01: password authentication failed for user "check"`},
		question{
			"rejected", login("rejected"), checks.Auth,
			`pgsql ADDR: error 28000: pg_hba.conf rejects connection for host "127.0.0.1", user "rejected", database "postgres", no encryption`,
		},
		question{"no request", request(""), checks.Other, "pgsql ADDR: there is nobody to log in or no query to make: set login and request"},
	)
}

func TestRealLDAP(t *testing.T) {
	need.Programs(t, "slapd", "slapadd", "openssl")
	dir, addr, secure := process.Folder(t, ""), process.FreeAddr(t), process.FreeAddr(t)
	process.Run(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=directory",
		"-keyout", dir+"/key", "-out", dir+"/cert")
	conf := writeFile(t, dir, "conf", strings.ReplaceAll(`include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
TLSCertificateFile DIR/cert
TLSCertificateKeyFile DIR/key
database mdb
suffix "dc=cluster,dc=test"
rootdn "cn=admin,dc=cluster,dc=test"
rootpw secret
directory DIR
access to dn.base="ou=hidden,dc=cluster,dc=test" by dn.base="cn=none" read
access to * by * read
`, "DIR", dir))
	var tree strings.Builder
	tree.WriteString("dn: dc=cluster,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: cluster\no: cluster\n\n")
	for _, unit := range []string{"people", "hidden"} {
		fmt.Fprintf(&tree, "dn: ou=%s,dc=cluster,dc=test\nobjectClass: organizationalUnit\nou: %s\n\n", unit, unit)
	}
	process.Feed(t, tree.String(), "slapadd", "-f", conf)
	p := startReal(t, "", "slapd", "-d", "0", "-f", conf, "-h", fmt.Sprintf("ldap://%s ldaps://%s", addr, secure))
	well := checks.Target{Addr: addr, Request: "/dc=cluster,dc=test", Receive: receive("dc=cluster")}
	p.serves("ldap", well)
	admin := func(passwd string) func(*checks.Target) {
		return func(t *checks.Target) { t.Login, t.Passwd = "cn=admin,dc=cluster,dc=test", passwd }
	}
	base := func(s string) func(*checks.Target) { return func(t *checks.Target) { t.Request = "/" + s } }
	questions := func(name string) []question {
		return []question{
			{"bind", admin("secret"), "", ""},
			{"no password is nobody", admin(""), "", ""},
			{"root", func(t *checks.Target) { t.Request, t.Receive = "/", receive(".*") }, "", ""},
			{"wrong password", admin("other"), checks.Auth, name + " ADDR: error 49: Invalid Credentials"},
			{"no name", func(t *checks.Target) { t.Login, t.Passwd = "admin", "secret" }, checks.Auth, name + " ADDR: error 34: Invalid DN Syntax: invalid DN"},
			{"no entry", base("ou=missing,dc=cluster,dc=test"), checks.Status, name + " ADDR: error 32: No Such Object"},
			{"hidden", base("ou=hidden,dc=cluster,dc=test"), checks.Status, name + " ADDR: error 32: No Such Object"},
			{"malformed", base("not a name"), checks.Status, name + " ADDR: error 34: Invalid DN Syntax: invalid DN"},
			{
				"as it is spelt", func(t *checks.Target) { t.Request, t.Receive = "/DC=CLUSTER,DC=TEST", receive("DC=CLUSTER") }, checks.Mismatch,
				name + ` ADDR: the entry "dc=cluster,dc=test" does not match "DC=CLUSTER"`,
			},
		}
	}
	for _, q := range questions("ldaps") {
		target := well
		target.Addr = secure
		q.change(&target)
		verdict(t, run(t, "ldaps", long, target), q.kind, q.words, target.Addr)
	}
	t.Run("TLS on the other port", func(t *testing.T) {
		err := run(t, "ldaps", long, checks.Target{Addr: addr})
		verdict(t, err, checks.Closed, "ldaps ADDR: connection closed in the TLS handshake", addr)
	})
	p.ask("ldap", well, questions("ldap")...)
}

func TestRealRadius(t *testing.T) {
	need.Programs(t, "freeradius")
	dir, addr := process.Folder(t, ""), process.FreeAddr(t)
	users := writeFile(t, dir, "users", "check Cleartext-Password := \"secret\"\nlonger Cleartext-Password := \"0123456789abcdefghi\"\nrejected Auth-Type := Reject\n")
	writeFile(t, dir, "radiusd.conf", fmt.Sprintf(`prefix = %[1]s
localstatedir = %[1]s
libdir = /usr/lib/freeradius
logdir = %[1]s
run_dir = %[1]s
security {
	reject_delay = 0
}
client cluster {
	ipaddr = 127.0.0.0/8
	secret = shared
	require_message_authenticator = yes
}
modules {
	pap {
	}
	files {
		filename = %[2]s
	}
}
server checked {
	listen {
		type = auth
		ipaddr = %[3]s
		port = %[4]d
	}
	authorize {
		files
		pap
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
	}
}
`, dir, users, addr.Addr(), addr.Port()))
	p := startReal(t, "", "freeradius", "-f", "-l", "stdout", "-d", dir, "-D", "/usr/share/freeradius", "-n", "radiusd")
	well := checks.Target{Addr: addr, UDP: true, Login: "check", Passwd: "secret", Secret: "shared"}
	p.serves("radius", well)
	p.ask("radius", well,
		question{"long password", func(t *checks.Target) { t.Login, t.Passwd = "longer", "0123456789abcdefghi" }, "", ""},
		question{"wrong password", func(t *checks.Target) { t.Passwd = "other" }, checks.Auth, "radius ADDR: Access-Reject"},
		question{"unknown", func(t *checks.Target) { t.Login = "nobody" }, checks.Auth, "radius ADDR: Access-Reject"},
		question{"rejected", func(t *checks.Target) { t.Login = "rejected" }, checks.Auth, "radius ADDR: Access-Reject"},
	)
}

func TestRealDNS(t *testing.T) {
	need.Programs(t, "unbound")
	dir, addr := process.Folder(t, ""), process.FreeAddr(t)
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "  local-data: \"many.zone.test. 60 IN A 10.1.2.%d\"\n", i)
	}
	conf := writeFile(t, dir, "conf", fmt.Sprintf(`server:
  interface: %s@%d
  do-daemonize: no
  use-syslog: no
  logfile: ""
  chroot: ""
  username: ""
  directory: %s
  pidfile: ""
  num-threads: 1
  module-config: "iterator"
  local-zone: "zone.test." static
  local-zone: "refused.test." refuse
  local-data: "www.zone.test. 60 IN A 10.1.2.3"
  local-data-ptr: "10.1.2.3 host.zone.test"
  local-data-ptr: "fd00::1 six.zone.test"
  local-data: "text.zone.test. 60 IN TXT 10.1.2.3"
%sremote-control:
  control-enable: no
`, addr.Addr(), addr.Port(), dir, &many))
	p := startReal(t, "", "unbound", "-d", "-c", conf)
	well := checks.Target{Addr: addr, UDP: true, Request: "/www.zone.test", Receive: receive(`^10\.1\.2\.3$`)}
	p.serves("dns", well)
	name := func(request, pattern string) func(*checks.Target) {
		return func(t *checks.Target) { t.Request, t.Receive = request, receive(pattern) }
	}
	questions := []question{
		{"any case", name("/WWW.Zone.Test.", "10.1.2.3"), "", ""},
		{"address", name("/10.1.2.3", `^host\.zone\.test$`), "", ""},
		{"address of IPv6", name("/fd00::1", "six"), "", ""},
		{"too many for a datagram", name("/many.zone.test", `^10\.1\.2\.99$`), "", ""},
		{"wrong record", name("/www.zone.test", "10.9"), checks.Mismatch, `dns ADDR: A 10.1.2.3 does not match "10.9"`},
		{"other kind", name("/text.zone.test", "10"), checks.Mismatch, "dns ADDR: the reply has no A record"},
		{"no name", name("/missing.zone.test", "10"), checks.Status, "dns ADDR: the reply is NXDOMAIN"},
		{"refused", name("/refused.test", "10"), checks.Status, "dns ADDR: the reply is REFUSED"},
		{"nothing to ask", name("/", "10"), checks.Other, "dns ADDR: there is no name to ask for: set request"},
		{"nothing to look for", func(t *checks.Target) { t.Receive = nil }, checks.Other, "dns ADDR: there is no record to look for: set receive"},
	}
	for _, q := range questions {
		target := well
		target.UDP = false
		q.change(&target)
		verdict(t, run(t, "dns", long, target), q.kind, q.words, target.Addr)
	}
	p.ask("dns", well, questions...)
}
