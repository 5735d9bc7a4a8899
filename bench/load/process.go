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

// stopGrace is how long a process has to report its outcome.
const stopGrace = 10 * time.Second

// A message is a line of JSON on the standard output of a load process. The
// first says where it listens, one of a client when the measured time begins,
// and the last the outcome or the error.
type message struct {
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

// Start runs a job in a process of its own and returns when its real servers
// listen. When ctx ends the process is stopped as by Stop. The caller has to call
// Wait or Stop, which end the process.
func Start(ctx context.Context, j Job) (*Process, error) {
	if err := errors.Join(ctx.Err(), j.check()); err != nil {
		return nil, fmt.Errorf("start a load process: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", mark)
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
	go p.read(ctx, out, listening)
	_ = json.NewEncoder(in).Encode(j) // read reports a process that did not read it
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
// connections are kept, they are open. A job without a client never begins, nor
// does one that is stopped before that: wait for Done, too.
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

// Wait waits for the process to end and returns the outcome of its job.
func (p *Process) Wait() (Outcome, error) {
	<-p.done
	return p.outcome, p.err
}

// Stop ends the job now and returns its outcome until then.
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

// read reads messages until the process has ended.
func (p *Process) read(ctx context.Context, out io.Reader, listening chan<- struct{}) {
	defer close(p.done)
	release := context.AfterFunc(ctx, func() { _, _ = p.Stop() })
	defer release()
	messages := json.NewDecoder(out)
	for {
		var m message
		if err := messages.Decode(&m); err != nil {
			p.end(m, err)
			return
		}
		switch {
		case m.Begun != nil:
			p.began = *m.Begun
			close(p.begun)
		case m.Outcome != nil || m.Err != "":
			p.end(m, nil)
			return
		default:
			p.listening = m.Listening
			close(listening)
		}
	}
}

// end keeps the last message and waits for the process. The error is why there
// was no last message.
func (p *Process) end(m message, missing error) {
	_ = p.stop.Close()
	err := p.cmd.Wait()
	switch {
	case m.Outcome != nil:
		p.outcome = *m.Outcome
	case m.Err != "":
		p.err = errors.New(m.Err)
	default:
		p.err = fmt.Errorf("load process %d ended without an outcome: %w %s", p.Pid(), errors.Join(err, missing),
			strings.TrimSpace(p.stderr.String()))
	}
}

// Main runs the job and exits if this process was started for one, and returns at
// once otherwise. It must be called first in main and TestMain.
func Main() {
	if len(os.Args) == 2 && os.Args[1] == mark {
		os.Exit(serve(os.Stdin, os.Stdout))
	}
}

// serve reads a job, runs it and writes messages about it.
func serve(in, out *os.File) int {
	runtime.GOMAXPROCS(1)
	messages := json.NewEncoder(out)
	var j Job
	err := json.NewDecoder(in).Decode(&j)
	if err == nil {
		err = errors.Join(j.check(), pin(j.Processors))
	}
	var o Outcome
	if err == nil {
		o, err = run(j, int(in.Fd()), func(m message) { _ = messages.Encode(m) })
	}
	last := message{Outcome: &o}
	if err != nil {
		last = message{Err: err.Error()}
	}
	if messages.Encode(last) != nil || err != nil {
		return 1
	}
	return 0
}
