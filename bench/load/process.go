package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// mark is the only argument of a process that runs a job.
const mark = "shunt-load-process"

// stopGrace is how long a process has to answer for what it did.
const stopGrace = 10 * time.Second

// A word is what a load process says on its standard output, one after the
// other: where it listens, that the measured time begins, its outcome.
type word struct {
	Listening []netip.AddrPort `json:"listening,omitempty"`
	Begun     *time.Time       `json:"begun,omitempty"`
	Outcome   *Outcome         `json:"outcome,omitempty"`
	Err       string           `json:"err,omitempty"`
}

// A Process runs a job. Its methods may be called from several goroutines.
type Process struct {
	cmd       *exec.Cmd
	stop      io.Closer
	stderr    bytes.Buffer
	listening []netip.AddrPort
	begun     chan struct{}
	began     time.Time // valid once begun is closed
	done      chan struct{}
	outcome   Outcome // valid once done is closed, as is err
	err       error
}

// Command returns the command that runs a job, not started. It reads the job
// from its standard input, and stops when that closes. Start does the rest,
// and is what callers want unless the process has to live somewhere else.
func Command() *exec.Cmd {
	return exec.Command("/proc/self/exe", mark)
}

// Start runs a job in a process of its own and returns when its real servers
// listen. When ctx ends the process is stopped as by Stop. The caller calls
// Wait or Stop, else the process is left behind.
func Start(ctx context.Context, j Job) (*Process, error) {
	return StartCommand(ctx, j, Command())
}

// StartCommand is Start with a command made by Command, to which environment
// or attributes were added.
func StartCommand(ctx context.Context, j Job, cmd *exec.Cmd) (*Process, error) {
	if err := errors.Join(ctx.Err(), j.check()); err != nil {
		return nil, fmt.Errorf("start a load process: %w", err)
	}
	p := &Process{cmd: cmd, begun: make(chan struct{}), done: make(chan struct{})}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	cmd.Stderr, p.stop = &p.stderr, in
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a load process: %w", err)
	}
	listening := make(chan struct{})
	go p.follow(ctx, out, listening)
	_ = json.NewEncoder(in).Encode(j) // follow tells of a process that did not take it
	select {
	case <-listening:
		return p, nil
	case <-p.done:
		return nil, p.err
	}
}

// Pid returns the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Listening returns the addresses of the job's real servers, in its order.
func (p *Process) Listening() []netip.AddrPort { return p.listening }

// Begun is closed when the measured time begins: warm-up is over and, where
// connections are kept, they are open. A job without a client never begins,
// nor does one that is stopped before: whoever waits for Begun waits for Done
// too.
func (p *Process) Begun() <-chan struct{} { return p.begun }

// Began is when the measured time began; zero until Begun is closed.
func (p *Process) Began() time.Time {
	select {
	case <-p.begun:
		return p.began
	default:
		return time.Time{}
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the process to end and returns what came of its job.
func (p *Process) Wait() (Outcome, error) {
	<-p.done
	return p.outcome, p.err
}

// Stop ends the job now and returns what came of it until then.
func (p *Process) Stop() (Outcome, error) {
	_ = p.stop.Close()
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
	}
	return p.Wait()
}

// Run runs a job in a process of its own to its end.
func Run(ctx context.Context, j Job) (Outcome, error) {
	p, err := Start(ctx, j)
	if err != nil {
		return Outcome{}, err
	}
	return p.Wait()
}

// follow reads what the process says until it has ended.
func (p *Process) follow(ctx context.Context, out io.Reader, listening chan<- struct{}) {
	defer close(p.done)
	release := context.AfterFunc(ctx, func() { _, _ = p.Stop() })
	defer release()
	said := json.NewDecoder(out)
	for {
		var w word
		if err := said.Decode(&w); err != nil {
			p.end(w, err)
			return
		}
		switch {
		case w.Begun != nil:
			p.began = *w.Begun
			close(p.begun)
		case w.Outcome != nil || w.Err != "":
			p.end(w, nil)
			return
		default:
			p.listening = w.Listening
			close(listening)
		}
	}
}

// end keeps what the process said last and waits for it.
func (p *Process) end(w word, said error) {
	_ = p.stop.Close()
	err := p.cmd.Wait()
	switch {
	case w.Outcome != nil:
		p.outcome = *w.Outcome
	case w.Err != "":
		p.err = errors.New(w.Err)
	default:
		p.err = fmt.Errorf("load process %d ended without an outcome: %w %s", p.Pid(), errors.Join(err, said),
			strings.TrimSpace(p.stderr.String()))
	}
}

// Main runs the job and exits if this process was started for one, and returns
// at once otherwise. Call it before anything else in main and TestMain.
func Main() {
	if len(os.Args) == 2 && os.Args[1] == mark {
		os.Exit(serve(os.Stdin, os.Stdout))
	}
}

// serve reads a job, does it and says what came of it.
func serve(in, out *os.File) int {
	runtime.GOMAXPROCS(1)
	say := json.NewEncoder(out)
	var j Job
	err := json.NewDecoder(in).Decode(&j)
	if err == nil {
		err = errors.Join(j.check(), pin(j.Processors))
	}
	var o Outcome
	if err == nil {
		o, err = run(j, int(in.Fd()), func(w word) { _ = say.Encode(w) })
	}
	w := word{Outcome: &o}
	if err != nil {
		w = word{Err: err.Error()}
	}
	if say.Encode(w) != nil || err != nil {
		return 1
	}
	return 0
}
