package programs_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
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
	const as = "postgres"
	dir := process.Folder(t, as)
	c := &cluster{t: t, port: process.FreePort(t)}
	c.id = id("tcp", c.port)
	for _, addr := range reals {
		data := filepath.Join(dir, addr)
		process.RunAs(t, as, bin+"/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
		p := process.StartAs(t, as, bin+"/postgres", "-D", data, "-h", addr, "-p", c.port,
			"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=100")
		t.Cleanup(func() { p.Signal(unix.SIGINT) }) // SIGTERM would wait for clients
		p.Listens(addr + ":" + c.port)
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

func (c *cluster) args(more ...string) []string {
	return append([]string{"-h", vip, "-p", c.port, "-U", "postgres"}, more...)
}

// ask returns the answer to a query, through shunt.
func (c *cluster) ask(query string) string {
	c.t.Helper()
	return strings.TrimSpace(process.Run(c.t, "psql", c.args("-XAtqc", query, "postgres")...))
}

func (c *cluster) pgbench(args ...string) string {
	c.t.Helper()
	return process.Run(c.t, "pgbench", c.args(append(args, "postgres")...)...)
}

// pgbench finds its tables consistent after thousands of transactions, a
// request to cancel reaches the server that has the query, and a connection
// that has been idle meanwhile is notified.
func TestPostgreSQL(t *testing.T) {
	c := newCluster(t)
	listener := process.Start(t, "psql", c.args("-XAt", "postgres")...)
	listener.Say("LISTEN news; SELECT 'listening';")
	listener.Prints("listening")
	c.pgbench("-i", "-s", "1", "-q")
	t.Run("transactions", c.transactions)
	t.Run("connections", c.connections)
	t.Run("cancel", c.cancel)
	t.Run("notify", func(t *testing.T) {
		c.ask("NOTIFY news, 'the payload'")
		wait.Until(t, "the idle connection is notified", func() bool {
			listener.Say("SELECT 1;")
			return strings.Contains(listener.Printed(), `notification "news" with payload "the payload"`)
		})
	})
	listener.Say(`\q`)
	listener.Wait()
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
	sleeper := process.Start(t, "psql", c.args("-Xc", "SELECT pg_sleep(600)", "postgres")...)
	wait.Until(t, "the query runs", func() bool {
		return c.ask("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'") == "1"
	})
	sleeper.Signal(unix.SIGINT)
	sleeper.Finish()
	sleeper.Prints("canceling statement due to user request")
}
