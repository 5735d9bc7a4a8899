package netlab

import (
	"errors"
	"fmt"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// stopGrace is how long a process has to end after SIGTERM.
const stopGrace = 2 * time.Second

// A Process runs inside a namespace. It does not outlive its lab, nor the
// program that started it, however that ends. What it leaves in its process
// group when it ends is killed; daemons that leave the group are on their own.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// Start starts cmd inside the namespace, in a process group of its own.
func (n *Namespace) Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &unix.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	// The kernel sends it when the thread that started the process ends;
	// run stays on that thread for as long as the process lives.
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL

	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 2) // what Start said, and a Do that never got there
	go p.run(n, started)
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("start %s in %s: %w", cmd.Path, n.name, err)
	}
	return p, n.lab.keep(p)
}

func (p *Process) run(n *Namespace, started chan<- error) {
	defer close(p.done)
	p.err = n.Do(func() error {
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return err
		}
		p.sweep()
		return p.cmd.Wait()
	})
	started <- p.err
}

// sweep waits for the process and kills what it leaves in its group. It has
// not been reaped yet, so that its number cannot be anybody else's.
func (p *Process) sweep() {
	for {
		err := unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-p.Pid(), unix.SIGKILL)
}

// Pid returns the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process has ended and returns what exec.Cmd.Wait says.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Stop ends the process and waits for it: with SIGTERM, and if that does not
// help with SIGKILL.
func (p *Process) Stop() {
	// An error says that it has ended already.
	_ = p.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// keep makes the lab end p. A lab that is closed already ends it at once.
func (l *Lab) keep(p *Process) error {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.processes = append(l.processes, p)
	}
	l.mu.Unlock()
	if closed {
		p.Stop()
		return ErrClosed
	}
	return nil
}
