//go:build vm

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/kernelvm"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// A bench is what the tests here work with: vmrun, and a test binary for it.
type bench struct{ vmrun, outcomes string }

// build makes both. Where no machine can be booted t is skipped with the
// reason; with CI=true in the environment it fails.
func build(t *testing.T) bench {
	t.Helper()
	if _, err := exec.LookPath(kernelvm.Emulator); err != nil {
		give(t, err)
	}
	dir := t.TempDir()
	b := bench{filepath.Join(dir, "vmrun"), filepath.Join(dir, "outcomes.test")}
	static(t, "build", "-o", b.vmrun, ".")
	static(t, "test", "-c", "-cover", "-o", b.outcomes, "./testdata/outcomes")
	if out, err := exec.Command(b.vmrun, "-fetch", "-packages=ipvsadm").CombinedOutput(); err != nil {
		give(t, fmt.Errorf("%w: %s", err, out))
	}
	return b
}

func give(t *testing.T, err error) {
	t.Helper()
	need.Lacking(t, fmt.Errorf("no virtual machine can be booted here: %w", err))
}

func static(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, out)
	}
}

// run runs the test binary by vmrun, as go test would, in the folder of its
// package, and returns its output and the exit status.
func (b bench) run(t *testing.T, flags []string, args ...string) (said string, status int) {
	t.Helper()
	cmd := exec.Command(b.vmrun, append(append(flags, b.outcomes), args...)...)
	cmd.Dir = "testdata/outcomes"
	cmd.Env = append(os.Environ(), "SENT=as asked")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestVMRun(t *testing.T) {
	b := build(t)
	for name, test := range map[string]func(*testing.T, bench){
		"outcomes": outcomes, "limit": limit, "machine": machine, "live": live, "usage": usage, "go test": goTest,
		"packages": packages, "nobody reads": nobodyReads,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// outcomes ends tests in the ways in which tests end; goTest and machine have the
// ordinary ones.
func outcomes(t *testing.T, b bench) {
	for name, test := range map[string]struct {
		flags, args []string
		status      int
		says        string // a regular expression
	}{
		"Panic": {status: 2, says: `(?s)panic: as it should.*outcomes_test\.go:\d+`},
		"Exit":  {status: 3, says: `^(warning: GOCOVERDIR not set.*\n)?$`},
		"Hang": {
			args: []string{"-test.timeout=1s"}, status: 2,
			says: `(?s)panic: test timed out after 1s.*outcomes\.TestHang`,
		},
		"Idle": {flags: []string{"-counted", "-limit=15m"}, says: `^PASS\n`},
		"Crash": {
			status: 125,
			says:   `(?s)^vmrun: the kernel crashed; the console:\n.*sysrq triggered crash`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, status := b.run(t, test.flags, append(test.args, "-test.run=^Test"+name+"$")...)
			if status != test.status || !regexp.MustCompile(test.says).MatchString(said) {
				t.Errorf("status %d, want %d; it says:\n%s", status, test.status, said)
			}
		})
	}
}

func limit(t *testing.T, b bench) {
	said, status := b.run(t, []string{"-limit=3s"}, "-test.run=TestHang")
	if status != 125 || !strings.HasPrefix(said, "vmrun: killed at the time limit of 3s; the console") {
		t.Errorf("status %d: %s", status, said)
	}
}

// machine runs in one machine all that goes well: what tests find there,
// a flood of output, and a coverage profile.
func machine(t *testing.T, b bench) {
	dir := t.TempDir()
	touch(t, filepath.Join(dir, "tree/opt/tree/file"), "in a tree")
	touch(t, filepath.Join(dir, "one"), "alone")
	profile := filepath.Join(dir, "profiles/cover.out")
	touch(t, profile, "to be replaced")
	said, status := b.run(t,
		[]string{"-env=SENT", "-tree=" + dir + "/tree", "-file=" + dir + "/one=/etc/one", "-return=/opt/tree=" + dir + "/back"},
		"-test.v", "-test.run=Pass|Flood|Machine", "-test.coverprofile="+profile)
	if status != 0 {
		t.Fatalf("status %d: %s", status, said[max(0, len(said)-10000):])
	}
	covered, err := os.ReadFile(profile)
	if err != nil || !strings.Contains(string(covered), "outcomes/outcomes.go:5.") {
		t.Errorf("the profile holds %q, %v", covered, err)
	}
	if back, err := os.ReadFile(filepath.Join(dir, "back/file")); err != nil || string(back) != "in a tree" {
		t.Errorf("of the folder came %q, %v", back, err)
	}
	var flood bytes.Buffer
	for i := range 2 << 20 / 64 {
		fmt.Fprintf(&flood, "%063d\n", i)
	}
	if !strings.Contains(said, flood.String()) {
		t.Errorf("of %d bytes of output not all came, in %d", flood.Len(), len(said))
	}
}

// live waits for what a test says while it runs, and interrupts it then.
func live(t *testing.T, b bench) {
	cmd := exec.CommandContext(t.Context(), b.vmrun, "-limit=1m", b.outcomes, "-test.v", "-test.run=TestHang")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	want := []byte("=== RUN   TestHang\n")
	got := make([]byte, len(want))
	guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	if n, err := io.ReadFull(out, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("it says %q, %v", got[:n], err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 125 {
		t.Errorf("interrupted it ends with %v", err)
	}
}

func usage(t *testing.T, b bench) {
	for _, test := range []struct {
		flags []string
		says  string
	}{
		{[]string{"-modules=nothing*"}, "modules nothing*: no such module"},
		{[]string{"-kernel=/nowhere"}, "open kernel /nowhere"},
		{[]string{"-file=/nowhere"}, "/nowhere: no such file"},
		{[]string{"-load=nothing"}, "modules nothing: no such module"},
		{[]string{"-limit=soon"}, "soon"},
		{[]string{"-return=here=there"}, "an absolute path in the machine"},
	} {
		if said, status := b.run(t, test.flags); status != 125 || !strings.Contains(said, test.says) {
			t.Errorf("%v: status %d: %s", test.flags, status, said)
		}
	}
}

// goTest is how all of this is used.
func goTest(t *testing.T, b bench) {
	profile := filepath.Join(t.TempDir(), "cover.out")
	cmd := exec.Command("go", "test", "-exec", b.vmrun, "-run", "Pass|Fatal", "-coverprofile", profile, "./testdata/outcomes")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("--- FAIL: TestFatal")) || !bytes.Contains(out, []byte("coverage: 100.0%")) {
		t.Errorf("%v: %s", err, out)
	}
	if covered, err := os.ReadFile(profile); err != nil || !bytes.Contains(covered, []byte("outcomes.go")) {
		t.Errorf("the profile holds %q, %v", covered, err)
	}
}

// packages runs a program that is linked dynamically, with a terminal.
func packages(t *testing.T, b bench) {
	back := filepath.Join(t.TempDir(), "hosts")
	out, err := exec.Command(b.vmrun, "-shell", "-packages=ipvsadm", "-return=/etc/hosts="+back, "/usr/sbin/ipvsadm", "-Ln").CombinedOutput()
	if err != nil || !bytes.HasPrefix(out, []byte("IP Virtual Server version")) || !bytes.Contains(out, []byte("\r\n")) {
		t.Errorf("%v: %q", err, out)
	}
	if hosts, err := os.ReadFile(back); err != nil || !bytes.Contains(hosts, []byte("localhost")) {
		t.Errorf("/etc/hosts came back as %q, %v", hosts, err)
	}
}

// nobodyReads takes away whom the test talks to. The machine ends then, and
// nothing is left of it.
func nobodyReads(t *testing.T, b bench) {
	cmd := exec.Command(b.vmrun, "-limit=1m", b.outcomes, "-test.v", "-test.run=Hang")
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 125 {
		t.Errorf("it ends with %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func touch(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
