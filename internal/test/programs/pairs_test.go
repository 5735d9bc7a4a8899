package programs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

const wellVerdict = "good: the real server is well"

// unbound serves www.zone.test with an address of its own at addr.
func unbound(t *testing.T, addr, port, record string) *process.Process {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "unbound.conf")
	write(t, file, fmt.Sprintf(`server:
  interface: %s@%s
  do-daemonize: no
  use-syslog: no
  logfile: ""
  chroot: ""
  username: ""
  directory: %s
  pidfile: ""
  num-threads: 1
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  local-zone: "zone.test." static
  local-data: "www.zone.test. 60 IN A %s"
remote-control:
  control-enable: no
`, addr, port, dir, record))
	p := process.Start(t, "unbound", "-d", "-c", file)
	p.Listens(addr + ":" + port)
	return p
}

// A pair of name servers, by TCP and UDP, from start to fail-over.
func TestDNSPair(t *testing.T) {
	need.Programs(t, "unbound", "dig")
	port, records := process.FreePort(t), []string{"10.1.0.1", "10.1.0.2"}
	var servers [2]*process.Process
	for i, addr := range reals {
		servers[i] = unbound(t, addr, port, records[i])
	}
	asked := []string{"service = dns", `request = "www.zone.test"`, `receive = "^10\.1\.0\."`, "scheduler = rr", "fallback = sorry"}
	d := direct(t, service(port, reals, asked...), service(port, reals, append(asked, "protocol = udp", "ops = yes")...))
	protocols := map[string]string{"tcp": "+tcp", "udp": "+notcp"}
	dig := func(protocol string) string {
		out, err := exec.Command("dig", "@"+vip, "-p", port, protocols[protocol], "+tries=2", "+time=5", "www.zone.test", "A").CombinedOutput()
		for i, record := range records {
			if err == nil && strings.Contains(string(out), record) {
				return reals[i]
			}
		}
		if strings.Contains(string(out), "status: SERVFAIL") {
			return "SERVFAIL"
		}
		return string(out)
	}
	// serves wants clients by each protocol to be answered by these alone.
	serves := func(down []string, by ...string) {
		t.Helper()
		for protocol := range protocols {
			d.down(id(protocol, port), down...)
			got := map[string]bool{dig(protocol): true}
			got[dig(protocol)] = true
			for _, who := range by {
				if !got[who] || len(got) != len(by) {
					t.Errorf("by %s: answered by %v, want %v", protocol, got, by)
				}
			}
		}
	}
	serves(nil, reals...)
	servers[0].Stop()
	serves(reals[:1], reals[1])
	servers[0] = unbound(t, reals[0], port, "10.9.9.9")
	wait.Until(t, "the check sees another record", func() bool {
		return d.service(id("udp", port)).Servers[0].Reason == checks.Mismatch && d.service(id("tcp", port)).Servers[0].Reason == checks.Mismatch
	})
	serves(reals[:1], reals[1])
	wrong := fmt.Sprintf("dns %s:%s: A 10.9.9.9 does not match %q", reals[0], port, `^10\.1\.0\.`)
	for protocol := range protocols {
		d.why(id(protocol, port), reals[0], checks.Mismatch, wrong)
	}
	d.verdicts(nil, "failed: "+wrong, wellVerdict, "failed: "+wrong, wellVerdict)
	servers[1].Signal(unix.SIGKILL)
	serves(reals, "SERVFAIL")
	servers[0].Stop()
	for i, addr := range reals {
		servers[i] = unbound(t, addr, port, records[i])
	}
	serves(nil, reals...)
}

const directoryPassword = "a-long-directory-password"

// slapd serves a directory whose only entry says where it is.
func slapd(t *testing.T, dir, addr, port string) *process.Process {
	t.Helper()
	need.Programs(t, "slapd", "slapadd")
	conf := filepath.Join(dir, "slapd.conf")
	if _, err := os.Stat(conf); err != nil {
		write(t, conf, strings.NewReplacer("DIR", dir, "PASSWORD", directoryPassword).Replace(`include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
database mdb
suffix "dc=cluster,dc=test"
rootdn "cn=admin,dc=cluster,dc=test"
rootpw PASSWORD
directory DIR
`))
		process.Feed(t, "dn: dc=cluster,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: cluster\no: at "+addr+"\n", "slapadd", "-f", conf)
	}
	p := process.Start(t, "slapd", "-d", "0", "-f", conf, "-h", "ldap://"+addr+":"+port)
	p.Listens(addr + ":" + port)
	return p
}

// A pair of directories from start to fail-over, with a server that has
// forgotten what is to be searched.
func TestLDAPPair(t *testing.T) {
	need.Programs(t, "ldapsearch", "ldapdelete")
	port := process.FreePort(t)
	directory := id("tcp", port)
	dirs, servers := [2]string{}, [2]*process.Process{}
	for i, addr := range reals {
		dirs[i] = t.TempDir()
		servers[i] = slapd(t, dirs[i], addr, port)
	}
	d := direct(t, service(port, reals, "service = ldap", `request = "dc=cluster,dc=test"`, `receive = "dc=cluster"`,
		"login = cn=admin,dc=cluster,dc=test", "passwd = "+directoryPassword, "scheduler = rr", "fallback = sorry"))
	client := func(program, addr string, more ...string) (string, error) {
		out, err := exec.Command(program, append([]string{"-x", "-H", "ldap://" + addr + ":" + port, "-D", "cn=admin,dc=cluster,dc=test", "-w", directoryPassword}, more...)...).CombinedOutput()
		return string(out), err
	}
	serves := func(down []string, by ...string) {
		t.Helper()
		d.down(directory, down...)
		got := map[string]bool{}
		for range reals {
			out, err := client("ldapsearch", vip, "-LLL", "-b", "dc=cluster,dc=test", "o")
			for _, addr := range reals {
				got[addr] = got[addr] || err == nil && strings.Contains(out, "o: at "+addr+"\n")
			}
		}
		for _, addr := range reals {
			if want := strings.Contains(strings.Join(by, " "), addr); got[addr] != want {
				t.Errorf("served by %v, want %v", got, by)
			}
		}
	}
	serves(nil, reals...)
	servers[0].Stop()
	serves(reals[:1], reals[1])
	d.why(directory, reals[0], checks.Refused, "connection refused")
	servers[0] = slapd(t, dirs[0], reals[0], port)
	serves(nil, reals...)
	if out, err := client("ldapdelete", reals[0], "dc=cluster,dc=test"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	serves(reals[:1], reals[1])
	gone := fmt.Sprintf("ldap %s:%s: error 32: No Such Object", reals[0], port)
	d.why(directory, reals[0], checks.Status, gone)
	d.verdicts([]string{directoryPassword}, "failed: "+gone, wellVerdict)
	servers[1].Stop()
	serves(reals)
	if out, err := client("ldapsearch", vip, "-b", "dc=cluster,dc=test"); err == nil || !strings.Contains(out, "Can't contact LDAP server") {
		t.Errorf("a client without a server hears %v\n%s", err, out)
	}
	servers[1] = slapd(t, dirs[1], reals[1], port)
	serves(reals[:1], reals[1])
}

const poolPassword = "a-long-pool-password"

// mariadb runs a server of a read pool in a folder, which is filled first if
// it is empty. Its table says where it is.
func mariadb(t *testing.T, dir, addr, port string) *process.Process {
	t.Helper()
	need.Root(t)
	need.Programs(t, "mariadbd", "mariadb-install-db", "mariadb", "setpriv")
	data := filepath.Join(dir, "data")
	begin := filepath.Join(dir, "begin.sql")
	if _, err := os.Stat(begin); err != nil {
		process.RunAs(t, "mysql", "mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
		write(t, begin, fmt.Sprintf(`CREATE DATABASE IF NOT EXISTS pool;
CREATE TABLE IF NOT EXISTS pool.alive AS SELECT '%s' AS a;
CREATE USER IF NOT EXISTS 'check'@'%%' IDENTIFIED BY '%s';
GRANT SELECT, DELETE, INSERT ON pool.* TO 'check'@'%%';
`, addr, poolPassword))
	}
	p := process.StartAs(t, "mysql", "mariadbd", "--no-defaults", "--datadir="+data, "--socket="+dir+"/socket", "--pid-file="+dir+"/pid",
		"--bind-address="+addr, "--port="+port, "--skip-name-resolve", "--innodb-buffer-pool-size=8M", "--init-file="+begin)
	p.Listens(addr + ":" + port)
	return p
}

// A read pool of MariaDB from start to fail-over: a server whose table is empty
// goes down although it takes clients.
func TestReadPool(t *testing.T) {
	port := process.FreePort(t)
	dirs, servers := [2]string{}, [2]*process.Process{}
	for i, addr := range reals {
		dirs[i] = process.Folder(t, "mysql")
		servers[i] = mariadb(t, dirs[i], addr, port)
	}
	pool := id("tcp", port)
	d := direct(t, service(port, reals, "service = mysql", "login = check", "passwd = "+poolPassword, "database = pool",
		`request = "SELECT a FROM alive"`, "scheduler = rr", "fallback = sorry"))
	query := func(addr, query string) (string, error) {
		out, err := exec.Command("mariadb", "--no-defaults", "--skip-ssl", "-h", addr, "-P", port, "-u", "check", "-p"+poolPassword, "-BNe", query, "pool").CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	serves := func(down []string, by ...string) {
		t.Helper()
		d.down(pool, down...)
		got := map[string]bool{}
		for range reals {
			out, err := query(vip, "SELECT a FROM alive")
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got[out] = true
		}
		for _, addr := range by {
			if !got[addr] || len(got) != len(by) {
				t.Errorf("served by %v, want %v", got, by)
			}
		}
	}
	serves(nil, reals...)
	if out, err := query(reals[0], "DELETE FROM alive"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	serves(reals[:1], reals[1])
	empty := fmt.Sprintf("mysql %s:%s: the query has no rows", reals[0], port)
	d.why(pool, reals[0], checks.Mismatch, empty)
	if out, err := query(reals[0], "SELECT 1"); out != "1" {
		t.Errorf("the server with the empty table says %q, %v", out, err)
	}
	d.verdicts([]string{poolPassword}, "failed: "+empty, wellVerdict)
	if out, err := query(reals[0], "INSERT INTO alive VALUES ('"+reals[0]+"')"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	serves(nil, reals...)
	servers[0].Stop()
	serves(reals[:1], reals[1])
	d.why(pool, reals[0], checks.Refused, "connection refused")
	servers[1].Signal(unix.SIGKILL)
	d.down(pool, reals...)
	if out, err := query(vip, "SELECT 1"); err == nil {
		t.Errorf("without a server a client gets %q", out)
	}
	for i, addr := range reals {
		<-servers[i].Done()
		servers[i] = mariadb(t, dirs[i], addr, port)
	}
	serves(nil, reals...)
}
