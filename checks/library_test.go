package checks_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/services"
)

// libraryChecks are the checks that speak by a client library, or answer in
// frames of their own, over TCP.
var libraryChecks = []string{"dns", "grpc", "ldap", "ldaps", "mysql", "pgsql"}

// libraryTarget has what any of them needs to begin.
func libraryTarget(addr netip.AddrPort) checks.Target {
	return checks.Target{
		Addr: addr, Login: "check", Passwd: "top-secret-7", Secret: "top-secret-7", Database: "db", Request: "/select 1", Receive: receive("x"),
	}
}

// punctual runs a check and wants it to end within 100 ms of its context, and for one
// of kinds if there are any. On a busy machine it may do so at the third try, which
// has more time.
func punctual(t *testing.T, name string, target checks.Target, kinds ...checks.Kind) error {
	t.Helper()
	for try, timeout := 1, brief; ; try, timeout = try+1, 4*timeout {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		check, _ := checks.For(name)
		err := check(ctx, target)
		late := time.Since(deadline(ctx))
		cancel()
		kind := checks.KindOf(err)
		asWanted := len(kinds) == 0 || slices.Contains(kinds, kind)
		if late <= 100*time.Millisecond && asWanted {
			return err
		}
		if try == 3 {
			t.Errorf("%s ends %s late: %v is %s, want %v", name, late, err, kind, kinds)
			return err
		}
	}
}

// greets is a server that says s at once, and goes on by then.
func greets(s string, then handler) handler {
	return func(ctx context.Context, conn *net.TCPConn) {
		go func() { _, _ = io.Copy(io.Discard, conn) }() // ends with conn
		_, _ = io.WriteString(conn, s)
		then(ctx, conn)
	}
}

// beginnings are what servers may begin with, so that a check reads on: the
// start of an answer in its protocol.
var beginnings = map[string]string{
	"dns":   "\x00\x40",
	"grpc":  "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	"ldap":  "\x30\x84\x00\x00\x40\x00\x02\x01\x01\x61",
	"ldaps": "\x16\x03\x03\x40\x00\x02",
	"mysql": "\x00\x20\x00\x00\x0a11.4.2-MariaDB\x00",
	"pgsql": "N",
}

// sendsPassword reports whether a check has use for one: what a server says to
// another is no secret of shunt's.
func sendsPassword(name string) bool {
	name, _, _ = strings.Cut(name, " ")
	service, _ := services.Named(name)
	return service.Uses&(services.Passwd|services.Secret) != 0
}

// fit wants an error that is fit for a status page.
func fit(t *testing.T, name string, err error) {
	t.Helper()
	kinds := []checks.Kind{checks.Refused, checks.Timeout, checks.Closed, checks.Protocol, checks.TLS, checks.Auth, checks.Status, checks.Mismatch}
	switch text := errText(err); {
	case err == nil:
		t.Errorf("%s takes it for a good answer", name)
	case strings.Contains(text, "top-secret-7") && sendsPassword(name):
		t.Errorf("%s tells the password: %s", name, text)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(text) > 500:
		t.Errorf("%s: %q", name, text)
	case !slices.Contains(kinds, checks.KindOf(err)):
		t.Errorf("%s: %v is %s", name, err, checks.KindOf(err))
	}
}

// A server of text is not MySQL, which its first words say, and not a length that
// they seem to be.
func TestMySQLOfAnotherProtocol(t *testing.T) {
	for greeting, begins := range map[string]string{"220 mail.example.test ESMTP\r\n": `"220 "`, "* OK ready\r\n": `"* OK"`, "HTTP/1.1 400 Bad Request\r\n": `"HTTP"`} {
		addr := server(t, "127.0.0.1", greets(greeting, silent))
		err := run(t, "mysql", long, libraryTarget(addr))
		want(t, err, "mysql ADDR: the answer begins with "+begins+", which is not MySQL", addr)
		if kind := checks.KindOf(err); kind != checks.Protocol {
			t.Errorf("%q is %s", greeting, kind)
		}
	}
}

// A check holds 2 MiB at the most, whatever is announced and sent: so much it
// allocates in all, though some of it may be free again at any time.
func TestLibraryMemory(t *testing.T) {
	for _, name := range libraryChecks {
		for what, more := range map[string]string{
			"zeros": "\x00", "elements": "\x05\x00", "sequences": "\x30\x80", "lengths": "\xff\xff\x0f\x00", "beginnings": beginnings[name], "text": "R\x00\x00\x40\x00",
		} {
			piece := []byte(strings.Repeat(more, 1<<12))
			addr := server(t, "127.0.0.1", greets(beginnings[name], func(_ context.Context, conn *net.TCPConn) {
				for err := error(nil); err == nil; { // and allocates nothing
					_, err = conn.Write(piece)
				}
			}))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			err := run(t, name, brief, libraryTarget(addr))
			runtime.ReadMemStats(&after)
			if took := (after.TotalAlloc - before.TotalAlloc) >> 10; took > 2<<10 {
				t.Errorf("%s, %s: %d KiB, %v", name, what, took, err)
			}
		}
	}
}

// TestLibraryCancelled: a check ends with its context, wherever it is.
func TestLibraryCancelled(t *testing.T) {
	for _, name := range libraryChecks {
		ctx, cancel := context.WithCancel(t.Context())
		addr := server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) {
			_, _ = io.WriteString(conn, beginnings[name])
			time.AfterFunc(10*time.Millisecond, cancel)
			<-ctx.Done()
		})
		check, _ := checks.For(name)
		if err := check(ctx, libraryTarget(addr)); !strings.HasPrefix(errText(err), name+" "+addr.String()+": cancelled") {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

const environmentTest = "CHECKS_ENVIRONMENT_TEST"

// TestLibraryEnvironment runs the tests of real servers in a process whose
// environment and home would have the libraries do something else.
func TestLibraryEnvironment(t *testing.T) {
	if os.Getenv(environmentTest) != "" {
		return // in that process
	}
	home := t.TempDir()
	wrong := []string{
		"host=192.0.2.1", "[cluster]\nhost=192.0.2.1\nport=1\nuser=nobody\nsslmode=verify-full\n", "*:*:*:*:wrong\n",
		"[client]\nuser=nobody\npassword=wrong\nhost=192.0.2.1\nprotocol=pipe\n", "URI ldap://192.0.2.1\nTLS_REQCERT demand\nBINDDN cn=nobody\n",
		"machine 127.0.0.1 login nobody password wrong\n", "[libdefaults]\ndefault_realm = NOWHERE\n",
	}
	for i, name := range []string{"service", ".pg_service.conf", ".pgpass", ".my.cnf", ".ldaprc", ".netrc", "krb5.conf"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(wrong[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestReal(MySQL|PgSQL|LDAP|Radius|DNS)$|^TestGRPC$", "-test.count=1")
	cmd.Env = append(os.Environ(), environmentTest+"=1", "HOME="+home,
		"PGHOST=192.0.2.1", "PGPORT=1", "PGDATABASE=nowhere", "PGUSER=nobody", "PGPASSWORD=wrong", "PGPASSFILE="+home+"/.pgpass", "PGAPPNAME=x\x01",
		"PGSSLMODE=verify-full", "PGSSLCERT="+home+"/none", "PGSSLKEY="+home+"/none", "PGSSLROOTCERT="+home+"/none", "PGSSLCERTMODE=require",
		"PGSSLNEGOTIATION=direct", "PGTARGETSESSIONATTRS=standby", "PGSERVICE=cluster", "PGSERVICEFILE="+home+"/.pg_service.conf", "PGTZ=Nowhere/Else",
		"PGOPTIONS=-c statement_timeout=1", "PGCONNECT_TIMEOUT=nonsense", "PGMINPROTOCOLVERSION=3.2", "PGMAXPROTOCOLVERSION=1", "PGCHANNELBINDING=require", "PGREQUIREAUTH=gss",
		"MYSQL_HOST=192.0.2.1", "MYSQL_PWD=wrong", "MYSQL_TCP_PORT=1", "LDAPURI=ldap://192.0.2.1", "LDAPRC=.ldaprc", "LDAPTLS_REQCERT=demand",
		"http_proxy=http://192.0.2.1:1", "https_proxy=http://192.0.2.1:1", "ALL_PROXY=socks5://192.0.2.1:1", "GRPC_PROXY_EXP=http://192.0.2.1:1",
		"KRB5_CONFIG="+home+"/krb5.conf", "NETRC="+home+"/.netrc", "RES_OPTIONS=ndots:9", "LOCALDOMAIN=nowhere.test",
	)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
