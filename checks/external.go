package checks

import (
	"context"
	"os/exec"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/program"
)

// External runs the program target.Command with four arguments: virtual
// address, virtual port, real address, real port. There is no shell in
// between and the whole of Command is the program's name, found in PATH if it
// has no slash. A file without a #! line is given to /bin/sh, as execvp(3)
// does. The environment and the working directory are the daemon's, stdin is
// /dev/null.
//
// Exit status 0 is success, and so are others that target.CommandWeight makes a
// weight. A program that cannot be started or that a signal has ended is a failure
// (ldirectord takes the latter for a success: a defect). At the end of ctx, and also
// when the program has ended by itself, its whole process group is killed: a check
// leaves nothing running. The error has the first line that the program wrote, of
// its first KiB.
func External(ctx context.Context, target Target) error {
	return attempt(ctx, "external", target.Command, func() error {
		return execute(ctx, &target, target.Command, arguments(target)...)
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
		return execute(ctx, &target, perl, append([]string{"--", target.Command}, arguments(target)...)...)
	})
}

func arguments(t Target) []string {
	return []string{t.VirtualAddr, t.VirtualPort, t.RealAddr, t.RealPort}
}

// execute runs a program until it or ctx ends.
func execute(ctx context.Context, t *Target, name string, args ...string) error {
	t.Trace.Note(TraceNoted, "run %q", append([]string{name}, args...))
	end, err := program.Run(ctx, name, args...)
	if end == nil {
		return err
	}
	t.Trace.Data(TraceReceived, end.Output)
	t.Trace.Note(TraceNoted, "%s", end.State)
	if weighs(t, end.State.ExitCode()) {
		return nil
	}
	return err
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
func weighs(t *Target, status int) bool {
	if t.CommandWeight == NoWeight || status < 2 {
		return false
	}
	if t.Note != nil {
		t.Note.Weight = &Weight{N: status - 2, Percent: t.CommandWeight == PercentWeight}
	}
	return true
}
