package programs_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
)

// A cluster is two PostgreSQL servers with databases of their own behind
// shunt, which keeps each client with one of them.
type cluster struct {
	t    *testing.T
	d    *daemon
	id   string
	port string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	need.Programs(t, "psql", "pgbench", "setpriv")
	bin := postgresBin(t)
	dir, err := os.MkdirTemp("", "shunt-postgres-") // one that other users may enter
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := unprivileged(t, dir)
	c := &cluster{t: t, port: freePort(t)}
	c.id = id("tcp", c.port)
	for _, addr := range reals {
		data := filepath.Join(dir, addr)
		initdb := slices.Concat(as, []string{bin + "/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"})
		run(t, initdb[0], initdb[1:]...)
		server := slices.Concat(as, []string{
			bin + "/postgres", "-D", data, "-h", addr, "-p", c.port,
			"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=100",
		})
		p := start(t, server[0], server[1:]...)
		t.Cleanup(func() { p.send(unix.SIGINT) }) // SIGTERM would wait for clients
		answers(t, p, addr+":"+c.port)
	}
	c.d = direct(t, service(c.port, reals, "scheduler = rr", "persistent = 60", "checktype = connect"))
	return c
}

// postgresBin finds the newest server that Debian has installed.
func postgresBin(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		_, err := exec.LookPath("postgres")
		need.Lacking(t, err)
	}
	return filepath.Dir(found[len(found)-1])
}

// unprivileged gives dir to the user that the servers run as, and returns what
// makes a command that user's: PostgreSQL does not run as root.
func unprivileged(t *testing.T, dir string) []string {
	t.Helper()
	if os.Getuid() != 0 {
		return []string{"env"}
	}
	u, err := user.Lookup("postgres")
	must(t, err)
	uid, err := strconv.Atoi(u.Uid)
	must(t, err)
	must(t, os.Chown(dir, uid, -1))
	return []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
}

func (c *cluster) args(more ...string) []string {
	return append([]string{"-h", vip, "-p", c.port, "-U", "postgres"}, more...)
}

// ask returns the answer to a query, through shunt.
func (c *cluster) ask(query string) string {
	c.t.Helper()
	return strings.TrimSpace(run(c.t, "psql", c.args("-XAtqc", query, "postgres")...))
}

func (c *cluster) pgbench(args ...string) string {
	c.t.Helper()
	return run(c.t, "pgbench", c.args(append(args, "postgres")...)...)
}

// pgbench finds its tables consistent after thousands of transactions, a
// request to cancel reaches the server that has the query, and a connection
// that has been idle meanwhile is notified.
func TestPostgreSQL(t *testing.T) {
	c := newCluster(t)
	listener := start(t, "psql", c.args("-XAt", "postgres")...)
	listener.say("LISTEN news; SELECT 'listening';")
	listener.prints("listening")
	c.pgbench("-i", "-s", "1", "-q")
	t.Run("transactions", c.transactions)
	t.Run("connections", c.connections)
	t.Run("cancel", c.cancel)
	t.Run("notify", func(t *testing.T) {
		c.ask("NOTIFY news, 'the payload'")
		eventually(t, "the idle connection is notified", func() bool {
			listener.say("SELECT 1;")
			return strings.Contains(listener.printed(), `notification "news" with payload "the payload"`)
		})
	})
	listener.say(`\q`)
	listener.wait()
	c.d.carried(c.id, 1+8+8+8+4*50)
	if n := c.d.each(c.id); len(n) != 2 || min(n[0], n[1]) != 0 {
		t.Errorf("persistent = 60, and the connections of one client are spread as %v", n)
	}
}

var processed = regexp.MustCompile(`(?s)number of transactions actually processed: (\d+).*number of failed transactions: 0 `)

// TPC-B moves money between accounts, tellers and branches, and keeps a
// history of it: every sum has to be the same.
func (c *cluster) transactions(t *testing.T) {
	done := 0
	for _, protocol := range []string{"simple", "extended", "prepared"} {
		out := c.pgbench("-n", "-c", "8", "-T", "1", "-M", protocol)
		n := processed.FindStringSubmatch(out)
		if n == nil {
			t.Fatalf("pgbench says\n%s", out)
		}
		some, _ := strconv.Atoi(n[1])
		t.Logf("%s: %d transactions", protocol, some)
		done += some
	}
	history := c.ask("SELECT sum(delta) FROM pgbench_history")
	want := fmt.Sprintf("%s|%s|%s|%d", history, history, history, done)
	if got := c.ask(`SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
		(SELECT sum(bbalance) FROM pgbench_branches), (SELECT count(*) FROM pgbench_history)`); got != want {
		t.Errorf("accounts, tellers, branches and length of the history are %s, want %s", got, want)
	}
}

// A connection for every transaction.
func (c *cluster) connections(t *testing.T) {
	out := c.pgbench("-n", "-S", "-C", "-c", "4", "-t", "50")
	if n := processed.FindStringSubmatch(out); n == nil || n[1] != "200" {
		t.Errorf("pgbench says\n%s", out)
	}
}

// psql cancels a query by another connection, which persistence leads to the
// same server.
func (c *cluster) cancel(t *testing.T) {
	sleeper := start(t, "psql", c.args("-Xc", "SELECT pg_sleep(600)", "postgres")...)
	eventually(t, "the query runs", func() bool {
		return c.ask("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'") == "1"
	})
	sleeper.send(unix.SIGINT)
	sleeper.finish()
	sleeper.prints("canceling statement due to user request")
}
