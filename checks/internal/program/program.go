// Package program runs a program for a check, and leaves nothing of it running.
package program

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/internal/files"
)

// pipeGrace is how long output may still come in after a program and its
// group have ended: somebody who left the group can hold the pipe for ever.
const pipeGrace = 50 * time.Millisecond

// An End is how a program has ended.
type End struct {
	Output []byte           // the beginning of what it wrote, 1 KiB at most
	State  *os.ProcessState // nil if it is not known
}

// Run runs a program until it or ctx ends. The error is a failure of the check, in
// the words that the program wrote, or nil for exit status 0. The End is nil if the
// program could not be started.
func Run(ctx context.Context, name string, args ...string) (*End, error) {
	// A program on a file system that does not answer would keep all others
	// from being started: the fork waits for it.
	if strings.Contains(name, "/") {
		if err := files.Readable(ctx, name); errors.Is(err, files.ErrHangs) {
			return nil, &failure.Cause{Err: cmp.Or(ctx.Err(), err), When: "while opening the program", Kind: failure.Command}
		}
	}
	out := &output{}
	cmd, err := start(out, name, args...)
	if errors.Is(err, unix.ENOEXEC) {
		cmd, err = start(out, "/bin/sh", append([]string{name}, args...)...)
	}
	if err != nil {
		return nil, notStarted(name, err)
	}
	ended(ctx, cmd.Process.Pid)
	err = cmd.Wait()
	return &End{out.kept, cmd.ProcessState}, verdict(ctx, out, cmd.ProcessState, err)
}

// verdict says what the end of a program means, of which Wait returned err.
func verdict(ctx context.Context, out *output, state *os.ProcessState, err error) error {
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && state.Success():
		return nil
	case state == nil:
		return &failure.Cause{Err: err, Kind: failure.Command}
	case state.ExitCode() >= 0:
		return out.explain(state.String())
	case ctx.Err() != nil:
		return &failure.Cause{Err: ctx.Err(), When: out.said(), Kind: failure.Command}
	default:
		return out.explain("killed by " + state.String())
	}
}

// start starts a program in a process group of its own.
func start(out *output, program string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = pipeGrace
	return cmd, cmd.Start()
}

// ended waits until the leader of a process group has ended, by itself or
// killed at the end of ctx, and kills what is left of the group. It does not
// reap the leader: until somebody does, the number belongs to this group and
// no kill can hit a stranger. That is why it is not left to exec.CommandContext.
func ended(ctx context.Context, group int) {
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = unix.Kill(-group, unix.SIGKILL)
		close(killed)
	})
	for unix.Waitid(unix.P_PID, group, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	if !stop() {
		<-killed
	}
	_ = unix.Kill(-group, unix.SIGKILL)
}

// notStarted says why a program could not be started.
func notStarted(program string, err error) error {
	_, missing := files.Stat(program)
	if errors.Is(err, fs.ErrNotExist) && missing == nil {
		return failure.Because(failure.Command, "the interpreter that its first line names does not exist")
	}
	return &failure.Cause{Err: err, Kind: failure.Command}
}
