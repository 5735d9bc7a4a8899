// Package process runs programs beside a test: real servers and their clients.
package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A Process is a program that runs until it ends by itself, is stopped, or the
// test ends.
type Process struct {
	Cmd *exec.Cmd

	t    testing.TB
	log  string // path of all that it prints
	in   io.WriteCloser
	done chan struct{}
}

// Start starts a program in a process group of its own. It is stopped with the
// test, and what it has printed is shown if the test has failed.
func Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	return StartAs(t, "", name, args...)
}

// StartAs is Start as a user, if that is not empty and the test is root's.
func StartAs(t testing.TB, user, name string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, Cmd: command(user, name, args...), done: make(chan struct{})}
	p.log = filepath.Join(t.TempDir(), filepath.Base(name)+".log")
	log, err := os.Create(p.log)
	must(t, err)
	defer log.Close()
	p.Cmd.Stdout, p.Cmd.Stderr = log, log
	p.in, err = p.Cmd.StdinPipe()
	must(t, err)
	must(t, p.Cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.Cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s: %v\n%s", p.Cmd, p.Cmd.ProcessState, Tail(p.Printed()))
		}
	})
	return p
}

// command is a program in a process group of its own, as a user if that is not
// empty and the test is root's.
func command(user, name string, args ...string) *exec.Cmd {
	if user != "" && os.Geteuid() == 0 {
		name, args = "setpriv", append([]string{"--reuid=" + user, "--regid=" + user, "--clear-groups", name}, args...)
	}
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	return cmd
}

// Signal sends a signal to the program and all that it has started.
func (p *Process) Signal(s unix.Signal) {
	if p.Running() {
		_ = unix.Kill(-p.Cmd.Process.Pid, s) // it may have ended meanwhile
	}
}

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop ends the program, by SIGTERM at first, and returns when it has ended.
func (p *Process) Stop() {
	p.Signal(unix.SIGTERM)
	p.Signal(unix.SIGCONT) // one that stands still does not see SIGTERM
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.Kill()
	}
}

// Kill ends the program by SIGKILL, and returns when it has ended.
func (p *Process) Kill() {
	p.Signal(unix.SIGKILL)
	<-p.done
}

// Wait waits until the program has ended by itself, and wants success.
func (p *Process) Wait() {
	p.t.Helper()
	p.Finish()
	if !p.Cmd.ProcessState.Success() {
		p.t.Fatalf("%s: %v", p.Cmd, p.Cmd.ProcessState)
	}
}

// Finish waits until the program has ended by itself, with success or not.
func (p *Process) Finish() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(wait.Patience):
		p.t.Fatalf("%s does not end", p.Cmd)
	}
}

// Say writes a line to the program's standard input.
func (p *Process) Say(line string) {
	p.t.Helper()
	_, err := io.WriteString(p.in, line+"\n")
	must(p.t, err)
}

// Printed returns all that the program has printed.
func (p *Process) Printed() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// Prints waits for text in what the program prints.
func (p *Process) Prints(text string) {
	p.t.Helper()
	wait.Until(p.t, fmt.Sprintf("%s prints %q", filepath.Base(p.Cmd.Path), text), func() bool {
		return strings.Contains(p.Printed(), text)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
