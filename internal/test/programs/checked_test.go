package programs_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
)

// A checked is a real server that is checked without shunt around it.
type checked struct {
	*program
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
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if !c.running() {
			c.t.Fatalf("%s: %v", c.cmd, c.cmd.ProcessState)
		}
		if err = c.check(service, 10*time.Second, target); err == nil {
			return
		}
	}
	c.t.Fatalf("%s is not well: %v", service, err)
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
	c.send(unix.SIGSTOP)
	eventually(c.t, "all of its processes are stopped", c.stopped)
	c.fails(service, target, checks.Timeout, hanging)
	c.send(unix.SIGCONT)
	c.well(service, target)
}

// stopped reports whether every process of the server's group is: one with
// several threads goes on until the one that has the signal runs.
func (c checked) stopped() bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have ended
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 2 && fields[2] == strconv.Itoa(c.cmd.Process.Pid) && fields[0] != "T" && fields[0] != "Z" {
			return false
		}
	}
	return true
}

// gone ends a server.
func (c checked) gone(service string, target checks.Target) {
	c.t.Helper()
	c.stop()
	eventually(c.t, "nobody listens", func() bool {
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

// openFolder returns a folder that every user may enter, unlike t.TempDir.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shunt-programs-")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	must(t, os.Chmod(dir, 0o755))
	return dir
}
