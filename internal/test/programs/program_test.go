package programs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a program may take to do what a test waits for.
const patience = time.Minute

// A program is one that runs beside the test, until the test ends.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string // path of all that it prints
	in   io.WriteCloser
	done chan struct{}
}

// start starts a program in a process group of its own. It is ended with the
// test, by SIGTERM at first, and what it has printed is shown if the test
// has failed.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.log = filepath.Join(t.TempDir(), filepath.Base(name)+".log")
	log, err := os.Create(p.log)
	must(t, err)
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	p.in, err = p.cmd.StdinPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(p.stop)
	return p
}

func (p *program) stop() {
	p.send(unix.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.send(unix.SIGKILL)
		<-p.done
	}
	if p.t.Failed() {
		p.t.Logf("%s: %v\n%s", p.cmd, p.cmd.ProcessState, tail(p.printed()))
	}
}

// send sends a signal to the program and all that it has started.
func (p *program) send(s unix.Signal) {
	if p.running() {
		_ = unix.Kill(-p.cmd.Process.Pid, s) // it may have ended meanwhile
	}
}

func (p *program) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// wait waits for a program to end by itself, with success.
func (p *program) wait() {
	p.t.Helper()
	p.finish()
	if !p.cmd.ProcessState.Success() {
		p.t.Fatalf("%s: %v", p.cmd, p.cmd.ProcessState)
	}
}

// finish waits for a program to end by itself, however it does.
func (p *program) finish() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", p.cmd)
	}
}

// say writes a line to the program's standard input.
func (p *program) say(line string) {
	p.t.Helper()
	_, err := io.WriteString(p.in, line+"\n")
	must(p.t, err)
}

func (p *program) printed() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// prints waits for text in what the program prints.
func (p *program) prints(text string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s prints %q", filepath.Base(p.cmd.Path), text), func() bool {
		return strings.Contains(p.printed(), text)
	})
}

// run runs a program to its end, which has to be success, and returns what it
// has printed on standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return feed(t, "", name, args...)
}

// feed is run with something to read on standard input.
func feed(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	var out strings.Builder
	must(t, pass(t, strings.NewReader(stdin), &out, name, args...))
	return out.String()
}

// pass runs a program to its end. Other goroutines than the test's may call
// it.
func pass(t *testing.T, stdin io.Reader, stdout io.Writer, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &complaint
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	if err := cmd.Run(); err != nil {
		shown := ""
		if b, ok := stdout.(fmt.Stringer); ok {
			shown = tail(b.String())
		}
		return fmt.Errorf("%s: %w\n%s%s", cmd, err, shown, tail(complaint.String()))
	}
	return nil
}

// tail is the end of a text that may be long.
func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "... " + text[len(text)-most:]
	}
	return text
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, patience)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}
