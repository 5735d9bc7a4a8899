package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
)

// insideEnv names the test that runs in a namespace of its own.
const insideEnv = "NETLAB_INSIDE"

// Test returns a lab for t, closed when t ends. Where namespaces may not be
// made t is skipped with the reason; with CI=true in the environment it fails.
func Test(t testing.TB) *Lab {
	t.Helper()
	l, err := New()
	if err != nil {
		give(t, err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return l
}

// Inside reports whether t, a top-level test, runs in a process that has a
// network namespace to itself. Where it does not, Inside runs the test binary
// again in one, for t alone, and t is to return: what happened there has
// become its result. It is for code that opens sockets on goroutines of its
// own, which Namespace.Do cannot move.
func Inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) == t.Name() {
		furnish(t)
		return true
	}
	Test(t) // for what it skips
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", arguments(t)...)
	cmd.Env = append(os.Environ(), insideEnv+"="+t.Name())
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	// The death signal belongs to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	t.Logf("in a network namespace of its own:\n%s", out)
	if err != nil {
		t.Errorf("in a network namespace of its own: %v", err)
	}
	return false
}

// furnish makes the process's namespace, which is new, as those of a lab are.
func furnish(t *testing.T) {
	t.Helper()
	n, err := Test(t).Here("inside")
	if err == nil {
		err = n.prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// arguments are those by which the binary runs t alone, with the present flags.
func arguments(t *testing.T) []string {
	args := []string{"-test.run=^" + t.Name() + "$", "-test.count=1"}
	for _, a := range os.Args[1:] {
		switch name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); name {
		case "test.short", "test.v", "test.failfast":
			args = append(args, a)
		}
	}
	if deadline, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout="+time.Until(deadline).Round(time.Second).String())
	}
	return args
}

// give gives up: with a skip where the reason is one of rights.
func give(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, fs.ErrPermission) {
		need.Lacking(t, fmt.Errorf("network namespaces need root: %w", err))
	}
	t.Fatal(err)
}
