package programs_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// A mailCluster is two real servers with Postfix and Dovecot each behind one
// VIP, with four services.
type mailCluster struct {
	*testing.T
	d                *daemon
	ports            map[string]string // of smtp, submission, imaps and pops
	key, cert        string
	postfix, dovecot [2]*process.Process
}

const mailPassword = "a-long-mail-password"

func newMailCluster(t *testing.T) *mailCluster {
	c := &mailCluster{T: t, ports: map[string]string{}}
	c.key, c.cert = certificate(t)
	for _, service := range []string{"smtp", "submission", "imaps", "pops"} {
		c.ports[service] = process.FreePort(t)
	}
	for i := range reals {
		c.startPostfix(i)
		c.startDovecot(i)
	}
	login := []string{"login = joe", "passwd = " + mailPassword, "verify = " + c.cert}
	sections := []string{"fallback = sorry\n"}
	for _, name := range []string{"smtp", "submission", "imaps", "pops"} {
		directives := []string{"service = " + name, "scheduler = rr"}
		if name == "imaps" || name == "pops" {
			directives = append(directives, login...)
		}
		sections = append(sections, service(c.ports[name], reals, directives...))
	}
	c.d = direct(t, sections...)
	return c
}

func (c *mailCluster) startPostfix(i int) {
	c.postfix[i] = postfixAt(c.T, process.Folder(c.T, ""), reals[i], []string{c.ports["smtp"], c.ports["submission"]}, nil)
}

func (c *mailCluster) startDovecot(i int) {
	ports := dovecotPorts(c.T)
	ports["imaps"], ports["pop3s"] = c.ports["imaps"], c.ports["pops"]
	c.dovecot[i] = dovecot(c.T, reals[i], ports, mailPassword, c.key, c.cert)
}

// id is what shunt calls a service of the cluster.
func (c *mailCluster) id(service string) string { return id("tcp", c.ports[service]) }

// client lets a real client use a service once, and returns all that it prints.
func (c *mailCluster) client(service string) (string, error) {
	c.Helper()
	at := vip + ":" + c.ports[service]
	var args []string
	switch service {
	case "imaps":
		args = []string{"curl", "-sSv", "--stderr", "-", "--cacert", c.cert, "--user", "joe:" + mailPassword, "imaps://" + at + "/"}
	case "pops":
		args = []string{"curl", "-sSv", "--stderr", "-", "--cacert", c.cert, "--user", "joe:" + mailPassword, "pop3s://" + at + "/"}
	default:
		args = []string{"swaks", "--server", at, "--from", "a@example.test", "--to", "root@mail.example.test", "--helo", "client.example.test"}
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return string(out), err
}

var (
	greetedFrom = regexp.MustCompile(`(?:ESMTP|Dovecot) at (127\.0\.0\.\d)`)
	served      = map[string]string{"smtp": "250 2.0.0 Ok: queued", "submission": "250 2.0.0 Ok: queued", "imaps": `* LIST (`, "pops": "+OK Logged in"}
)

// serves wants two clients of a service in a row to be served by the real
// servers at addrs, each by one.
func (c *mailCluster) serves(service string, addrs ...string) {
	c.Helper()
	by := map[string]bool{}
	for range reals {
		out, err := c.client(service)
		from := greetedFrom.FindStringSubmatch(out)
		if err != nil || from == nil || !strings.Contains(out, served[service]) {
			c.Errorf("%s: %v\n%s", service, err, process.Tail(out))
			return
		}
		by[from[1]] = true
	}
	for _, addr := range addrs {
		if !by[addr] || len(by) != len(addrs) {
			c.Errorf("%s is served by %v, want %v", service, by, addrs)
		}
	}
}

// refuses wants a client of a service to fail, with words that it prints.
func (c *mailCluster) refuses(service, words string) {
	c.Helper()
	if out, err := c.client(service); err == nil || !strings.Contains(out, words) {
		c.Errorf("%s: %v, want %q\n%s", service, err, words, process.Tail(out))
	}
}

// A mail cluster from start to fail-over: a real server whose Dovecot is gone
// leaves imaps and pops alone, and clients of a service without a real server
// hear what the table of services says.
func TestMailCluster(t *testing.T) {
	c := newMailCluster(t)
	all := []string{"smtp", "submission", "imaps", "pops"}
	secret := []string{mailPassword}
	for _, service := range all {
		c.serves(service, reals...)
	}
	at := func(name, addr string) string { return fmt.Sprintf("%s %s:%s", name, addr, c.ports[name]) }

	c.dovecot[0].Stop()
	c.d.down(c.id("imaps"), reals[0])
	c.d.down(c.id("pops"), reals[0])
	c.d.why(c.id("imaps"), reals[0], checks.Refused, "connection refused")
	for _, service := range []string{"imaps", "pops"} {
		c.serves(service, reals[1])
	}
	for _, service := range []string{"smtp", "submission"} {
		c.d.down(c.id(service))
		c.serves(service, reals...)
	}
	c.d.verdicts(
		secret,
		"good: the real server is well", "good: the real server is well",
		"good: the real server is well", "good: the real server is well",
		"failed: "+at("imaps", reals[0])+": connection refused", "good: the real server is well",
		"failed: "+at("pops", reals[0])+": connection refused", "good: the real server is well",
	)

	if _, text := c.d.check(secret...); !strings.Contains(text, "LOGIN \"joe\" ***\n") || !strings.Contains(text, "sent       ***\n") {
		t.Errorf("the logins of imaps and pops are not masked:\n%s", text)
	}

	c.startDovecot(0)
	c.d.down(c.id("imaps"))
	c.d.down(c.id("pops"))
	for _, service := range all {
		c.serves(service, reals...)
	}

	for i := range reals {
		c.dovecot[i].Stop()
	}
	c.d.down(c.id("imaps"), reals...)
	c.d.down(c.id("pops"), reals...)
	c.refuses("imaps", "Connection reset by peer")
	c.refuses("pops", "Connection reset by peer")
	c.serves("smtp", reals...)

	for i := range reals {
		c.postfix[i].Stop()
	}
	c.d.down(c.id("smtp"), reals...)
	c.d.down(c.id("submission"), reals...)
	c.refuses("smtp", "421 ["+vip+"] Service not available, closing transmission channel")
	c.refuses("submission", "421 ["+vip+"] Service not available, closing transmission channel")

	c.startPostfix(1)
	c.startDovecot(1)
	for _, service := range all {
		c.d.down(c.id(service), reals[0])
		c.serves(service, reals[1])
	}
	if log := c.d.Printed(); strings.Contains(log, mailPassword) {
		t.Errorf("the log has the password:\n%s", process.Tail(log))
	}
}
