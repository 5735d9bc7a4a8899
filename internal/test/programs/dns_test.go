package programs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// names is how many the zone has.
const names = 500

// A zone is two unbound that answer for the same names behind shunt.
type zone struct {
	d       *daemon
	port    string
	queries string // file of them, for dnsperf
}

func newZone(t *testing.T, ops string) *zone {
	t.Helper()
	need.Programs(t, "unbound", "dnsperf", "dig")
	z := &zone{port: process.FreePort(t), queries: filepath.Join(t.TempDir(), "queries")}
	for _, addr := range reals {
		z.serve(t, addr)
	}
	var queries strings.Builder
	for i := range names {
		fmt.Fprintf(&queries, "%s A\n", name(i))
	}
	write(t, z.queries, queries.String())
	check := filepath.Join(t.TempDir(), "check")
	must(t, os.WriteFile(check, fmt.Appendf(nil, "#!/bin/sh\nexec dig -p \"$4\" @\"$3\" +tries=1 %s A\n", name(0)), 0o755))
	asked := []string{"scheduler = rr", "checktype = external", "checkcommand = " + check}
	z.d = direct(t, service(z.port, reals, asked...), service(z.port, reals, append(asked, "protocol = udp", "ops = "+ops)...))
	return z
}

func name(i int) string { return fmt.Sprintf("host-%d.zone.test", i) }

func address(i int) string { return fmt.Sprintf("10.1.%d.%d", i/200, 1+i%200) }

// serve runs one of the servers. The name many has an answer that no datagram
// of UDP's usual size has room for.
func (z *zone) serve(t *testing.T, addr string) {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, `server:
  interface: %s@%s
  do-daemonize: no
  use-syslog: no
  logfile: ""
  chroot: ""
  username: ""
  directory: %[3]s
  pidfile: ""
  num-threads: 1
  incoming-num-tcp: 100
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  local-zone: "zone.test." static
`, addr, z.port, dir)
	for i := range names {
		fmt.Fprintf(&b, "  local-data: \"%s. 60 IN A %s\"\n", name(i), address(i))
		fmt.Fprintf(&b, "  local-data: \"many.zone.test. 60 IN A %s\"\n", address(i))
	}
	b.WriteString("remote-control:\n  control-enable: no\n")
	file := filepath.Join(dir, "unbound.conf")
	write(t, file, b.String())
	process.Start(t, "unbound", "-d", "-c", file).Listens(addr + ":" + z.port)
}

// Every query is answered with what is right, whether datagrams are scheduled
// by flow or each by itself, and what is too large for one comes by TCP.
func TestDNS(t *testing.T) {
	for _, ops := range []string{"no", "yes"} {
		t.Run("ops "+ops, func(t *testing.T) {
			z := newZone(t, ops)
			t.Run("load", z.load)
			t.Run("answers", z.answers)
			t.Run("large", z.large)
			z.d.carried(id("udp", z.port), 10)
			z.d.carried(id("tcp", z.port), 10+2+1)
			for _, n := range z.d.each(id("udp", z.port)) {
				if n == 0 {
					t.Error("a real server has had no flow")
				}
			}
		})
	}
}

var performed = regexp.MustCompile(`(?s)Queries completed: +(\d+).*Queries lost: +(\d+) .*Response codes: +NOERROR (\d+) \(100\.00%\)`)

func (z *zone) load(t *testing.T) {
	z.perform(t, "tcp", 1)
	z.perform(t, "udp", 3)
}

// perform wants all queries answered, at one of so many tries: a datagram may
// be lost on a machine that is short of time or memory. Answers have to be
// right at each.
func (z *zone) perform(t *testing.T, mode string, tries int) {
	t.Helper()
	for range tries {
		out := process.Run(t, "dnsperf", "-s", vip, "-p", z.port, "-d", z.queries, "-m", mode, "-c", "10", "-l", "1")
		n := performed.FindStringSubmatch(out)
		if n == nil || n[1] != n[3] || len(n[1]) < 3 {
			t.Fatalf("dnsperf by %s says\n%s", mode, out)
		}
		t.Logf("%s: %s queries, %s lost", mode, n[1], n[2])
		if n[2] == "0" {
			return
		}
	}
	t.Errorf("by %s queries are lost again and again", mode)
}

// answers asks for every name by each protocol.
func (z *zone) answers(t *testing.T) {
	var want strings.Builder
	for i := range names {
		fmt.Fprintln(&want, address(i))
	}
	for _, how := range []string{"+notcp", "+tcp"} {
		if got := process.Run(t, "dig", "@"+vip, "-p", z.port, "+short", how, "-f", z.queries); got != want.String() {
			t.Errorf("dig %s got wrong answers:\n%s", how, process.Tail(got))
		}
	}
}

func (z *zone) large(t *testing.T) {
	dig := func(how ...string) string {
		return process.Run(t, "dig", append([]string{"@" + vip, "-p", z.port, "many.zone.test", "A"}, how...)...)
	}
	if out := dig("+notcp", "+ignore", "+bufsize=1232"); !regexp.MustCompile(`flags:[a-z ]* tc[ ;]`).MatchString(out) {
		t.Errorf("by UDP the answer is not marked as cut off:\n%s", process.Tail(out))
	}
	for _, how := range []string{"+bufsize=1232", "+tcp"} {
		out := dig(how)
		if n := strings.Count(out, "\tA\t10.1."); n != names || !strings.Contains(out, "(TCP)") {
			t.Errorf("dig %s got %d answers, want %d by TCP:\n%s", how, n, names, process.Tail(out))
		}
	}
}
