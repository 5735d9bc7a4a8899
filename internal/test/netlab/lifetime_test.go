package netlab_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

func readSysctl(t *testing.T, n *netlab.Namespace, name string) string {
	t.Helper()
	var value []byte
	must(t, n.Do(func() (err error) {
		value, err = os.ReadFile("/proc/sys/" + name)
		return err
	}))
	return string(value)
}

// strays counts the threads of this process that are in another network
// namespace than the process.
func strays(t *testing.T) int {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	must(t, err)
	var n int
	for _, task := range tasks {
		// A thread may end between the listing and this.
		if in, err := os.Readlink(task); err == nil && in != home {
			n++
		}
	}
	return n
}

func TestDoLeavesNoThreadInside(t *testing.T) {
	a := namespaces(t, netlab.Test(t), "a")[0]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if err := a.Do(func() error { runtime.Gosched(); return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wait.Until(t, "no thread is left in a namespace", func() bool { return strays(t) == 0 })
	if tasks, _ := filepath.Glob("/proc/self/task/*"); len(tasks) > 100 {
		t.Errorf("%d threads after 400 visits by 8 goroutines", len(tasks))
	}
}

func TestDoReturnsWhatTheFunctionReturns(t *testing.T) {
	a := namespaces(t, netlab.Test(t), "a")[0]
	boom := errors.New("boom")
	if err := a.Do(func() error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
	if err := a.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("a function that ended its goroutine gave no error")
	}
	wait.Until(t, "no thread is left in a namespace", func() bool { return strays(t) == 0 })
}

// TestCloseFreesNamespaces sees a namespace go by its end of a veth pair,
// which takes the other end along.
func TestCloseFreesNamespaces(t *testing.T) {
	lab := netlab.Test(t)
	witness := namespaces(t, lab, "witness")[0]
	inner, err := netlab.New()
	must(t, err)
	gone := namespaces(t, inner, "gone")[0]
	must(t, inner.Connect(netlab.End{In: witness, Link: "eth0"}, netlab.End{In: gone, Link: "eth0"}))

	links := func() (names []string) {
		must(t, witness.Do(func() error {
			all, err := net.Interfaces()
			for _, l := range all {
				names = append(names, l.Name)
			}
			return err
		}))
		return names
	}
	if got := links(); len(got) != 2 {
		t.Fatalf("links before: %v, want lo and eth0", got)
	}
	must(t, inner.Close(), inner.Close())
	wait.Until(t, "the namespace of a closed lab is gone", func() bool { return len(links()) == 1 })

	if _, err := inner.Namespace("late"); !errors.Is(err, netlab.ErrClosed) {
		t.Errorf("Namespace of a closed lab: %v, want ErrClosed", err)
	}
	if err := gone.Do(func() error { return nil }); !errors.Is(err, netlab.ErrClosed) {
		t.Errorf("Do in a closed lab: %v, want ErrClosed", err)
	}
}

func TestNothingInRunNetns(t *testing.T) {
	before, _ := os.ReadDir("/run/netns")
	routed(t, netlab.Test(t))
	if after, _ := os.ReadDir("/run/netns"); len(after) != len(before) {
		t.Errorf("/run/netns has %d entries, had %d", len(after), len(before))
	}
}

func TestProcess(t *testing.T) {
	lab := netlab.Test(t)
	a := namespaces(t, lab, "a")[0]
	must(t, a.Sysctl("net.ipv4.ip_default_ttl", "42"))
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/sys/net/ipv4/ip_default_ttl")
	cmd.Stdout = &out
	p, err := a.Start(cmd)
	must(t, err)
	must(t, p.Wait())
	if out.String() != "42\n" {
		t.Errorf("a process in the namespace reads %q, want 42", out.String())
	}
	if _, err := a.Start(exec.Command("/no/such/program")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("start a program that is not there: %v", err)
	}
}

func TestPathServesOtherPrograms(t *testing.T) {
	lab := netlab.Test(t)
	a := namespaces(t, lab, "a")[0]
	must(t, a.Sysctl("net.ipv4.ip_default_ttl", "42"))
	out, err := exec.Command("nsenter", "--net="+a.Path(), "cat", "/proc/sys/net/ipv4/ip_default_ttl").CombinedOutput()
	if string(out) != "42\n" || err != nil {
		t.Errorf("nsenter --net=%s: %q, %v", a.Path(), out, err)
	}
}

func TestCloseEndsProcesses(t *testing.T) {
	lab, err := netlab.New()
	if err != nil {
		netlab.Test(t) // skips or fails
	}
	a, err := lab.Namespace("a")
	must(t, err)
	var running []*netlab.Process
	for _, script := range []string{"exec sleep 1000", "sleep 1000 & wait", "trap '' TERM; sleep 1000 & wait; sleep 1000"} {
		p, err := a.Start(exec.Command("sh", "-c", script))
		must(t, err)
		running = append(running, p)
	}
	must(t, lab.Close())
	for _, p := range running {
		if err := p.Wait(); err == nil {
			t.Errorf("process %d ended well, want a signal", p.Pid())
		}
		wait.Until(t, "the process and what it left in its group are gone", func() bool {
			return errors.Is(unix.Kill(-p.Pid(), 0), unix.ESRCH)
		})
	}
	if _, err := a.Start(exec.Command("true")); !errors.Is(err, netlab.ErrClosed) {
		t.Errorf("start in a closed lab: %v, want ErrClosed", err)
	}
}
