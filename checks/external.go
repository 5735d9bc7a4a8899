package checks

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
	"github.com/shunt-lb/shunt/checks/internal/trace"
	"github.com/shunt-lb/shunt/internal/files"
)

// pipeGrace is how long output may still come in after a program and its
// group have ended: somebody who left the group can hold the pipe for ever.
const pipeGrace = 50 * time.Millisecond

// External runs the program target.Command with four arguments: virtual
// address, virtual port, real address, real port. There is no shell in
// between and the whole of Command is the program's name, found in PATH if it
// has no slash. A file without a #! line is given to /bin/sh, as execvp(3)
// does. The environment and the working directory are the daemon's, stdin is
// /dev/null.
//
// Exit status 0 is success, and so are others that target.CommandWeight makes a
// weight. A program that cannot be started or that a signal
// has ended is a failure (ldirectord takes the latter for a success: a
// defect). At the end of ctx, and also when the program has ended by itself,
// its whole process group is killed: a check leaves nothing running. The error
// has the first line that the program wrote, of its first KiB.
func External(ctx context.Context, target Target) error {
	return attempt(ctx, "external", target.Command, func() error {
		return target.execute(ctx, target.Command, arguments(target)...)
	})
}

// ExternalPerl is External for a program that perl runs, whatever its mode and
// first line. ldirectord runs such a program inside itself, with the same
// result but for changes of the file, which are noticed here.
func ExternalPerl(ctx context.Context, target Target) error {
	return attempt(ctx, "external-perl", target.Command, func() error {
		perl, err := exec.LookPath("perl")
		if err != nil {
			return failure.Because(Command, "perl is needed to run it: %w", failure.Bare(err))
		}
		return target.execute(ctx, perl, append([]string{"--", target.Command}, arguments(target)...)...)
	})
}

func arguments(t Target) []string {
	return []string{t.VirtualAddr, t.VirtualPort, t.RealAddr, t.RealPort}
}

// execute runs program until it or ctx ends.
func (t *Target) execute(ctx context.Context, program string, args ...string) error {
	t.Trace.Note(TraceNoted, "run %q", append([]string{program}, args...))
	// A program on a file system that does not answer would keep all others
	// from being started: the fork waits for it.
	if strings.Contains(program, "/") {
		if err := files.Readable(ctx, program); errors.Is(err, files.ErrHangs) {
			return &failure.Cause{Err: cmp.Or(ctx.Err(), err), When: "while opening the program", Kind: Command}
		}
	}
	out := &head{}
	cmd, err := start(out, program, args...)
	if errors.Is(err, unix.ENOEXEC) {
		cmd, err = start(out, "/bin/sh", append([]string{program}, args...)...)
	}
	if err != nil {
		return notStarted(program, err)
	}
	ended(ctx, cmd.Process.Pid)
	err = cmd.Wait()
	t.noteProgram(out, cmd.ProcessState)
	switch state := cmd.ProcessState; {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && state.Success():
		return nil
	case state == nil:
		return &failure.Cause{Err: err, Kind: Command}
	case t.weighs(state.ExitCode()):
		return nil
	case state.ExitCode() >= 0:
		return out.explain(state.String())
	case ctx.Err() != nil:
		return &failure.Cause{Err: ctx.Err(), When: out.said(), Kind: Command}
	default:
		return out.explain("killed by " + state.String())
	}
}

// noteProgram records what a program has said, and how it has ended.
func (t *Target) noteProgram(said *head, state *os.ProcessState) {
	if t.Trace != nil {
		t.Trace.Data(trace.Received, said.kept)
		t.Trace.Note(TraceNoted, "%s", state)
	}
}

// A CommandWeight is how the exit status of an external check is a weight, as
// with keepalived's misc_dynamic: 0 changes nothing, 1 is a failure, and from 2
// to 255 the status less 2 is the weight.
type CommandWeight int

// The ways.
const (
	NoWeight      CommandWeight = iota // every status but 0 is a failure
	PlainWeight                        // the weight itself
	PercentWeight                      // per cent of the weight that is configured
)

// weighs notes the weight that an exit status stands for, and reports whether
// it stands for one.
func (t *Target) weighs(status int) bool {
	if t.CommandWeight == NoWeight || status < 2 {
		return false
	}
	if t.Note != nil {
		t.Note.Weight = &Weight{N: status - 2, Percent: t.CommandWeight == PercentWeight}
	}
	return true
}

// start starts a program in a process group of its own.
func start(out *head, program string, args ...string) (*exec.Cmd, error) {
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
		return failure.Because(Command, "the interpreter that its first line names does not exist")
	}
	return &failure.Cause{Err: err, Kind: Command}
}
