package programs_test

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A checked is a real server that is checked without shunt around it.
type checked struct {
	*process.Process
	t    *testing.T
	addr netip.AddrPort
}

// check makes one check of the server.
func (c checked) check(service string, timeout time.Duration, target checks.Target) error {
	c.t.Helper()
	f, ok := checks.For(service)
	if !ok {
		c.t.Fatalf("no check %s", service)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), timeout)
	defer cancel()
	target.Addr = c.addr
	return f(ctx, target)
}

// well waits until the server is well.
func (c checked) well(service string, target checks.Target) {
	c.t.Helper()
	_ = wait.For(c.t, service+" is well", func() (error, bool) {
		if !c.Running() {
			c.t.Fatalf("%s: %v", c.Cmd, c.Cmd.ProcessState)
		}
		err := c.check(service, 10*time.Second, target)
		return err, err == nil
	})
}

// fails wants a check to fail for a reason, and some words of it in the error.
func (c checked) fails(service string, target checks.Target, kind checks.Kind, words string) {
	c.t.Helper()
	timeout := 10 * time.Second
	if kind == checks.Timeout {
		timeout = time.Second
	}
	began := time.Now()
	err := c.check(service, timeout, target)
	if checks.KindOf(err) != kind || !strings.Contains(errorText(err), words) {
		c.t.Errorf("%s: %q, %v; want %q, %s", service, checks.KindOf(err), err, kind, words)
	}
	if took := time.Since(began); took > timeout+2*time.Second {
		c.t.Errorf("%s took %v", service, took)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// hangsAndStops lets a server that is well hang after it has accepted, and then
// stops it.
func (c checked) hangsAndStops(service string, target checks.Target, hanging string) {
	c.t.Helper()
	c.hangs(service, target, hanging)
	c.gone(service, target)
}

// hangs lets a server that is well hang for a while after it has accepted.
func (c checked) hangs(service string, target checks.Target, hanging string) {
	c.t.Helper()
	c.Freeze()
	c.fails(service, target, checks.Timeout, hanging)
	c.Thaw()
	c.well(service, target)
}

// gone ends a server.
func (c checked) gone(service string, target checks.Target) {
	c.t.Helper()
	c.Stop()
	wait.Until(c.t, "nobody listens", func() bool {
		return checks.KindOf(c.check(service, 10*time.Second, target)) == checks.Refused
	})
}

// matcher is a receive pattern.
func matcher(t *testing.T, source string) checks.Matcher {
	t.Helper()
	p, err := config.CompilePattern(source)
	must(t, err)
	return p
}

// folder makes folders below dir, which others may enter.
func folder(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		must(t, os.MkdirAll(dir+"/"+name, 0o755))
	}
}
