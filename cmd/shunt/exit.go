package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/config"
)

// The exit codes, which are ldirectord's where it has them.
const (
	exitFailure   = 1  // something failed: a missing file, an address in use
	exitConfig    = 2  // the configuration has errors
	exitStopped   = 3  // status: no shunt is running
	exitForbidden = 4  // status: one is, and this user may not ask it
	exitUnready   = 5  // status: one is, and does not serve every service as it is wanted
	exitWaited    = 6  // the time of --wait was over first
	exitUsage     = 64 // the command line is wrong, EX_USAGE of sysexits(3): starting again does not help
)

// exitStatuses is what the help says of them.
const exitStatuses = "Exit codes: 0 success, 1 failure, 2 errors in the configuration, 3 no shunt is\n" +
	"running, 4 one is running that this user may not ask, 5 one is running that does not\n" +
	"serve every service as it is wanted (status), 6 the time of --wait was over first,\n" +
	"64 the command line is wrong."

// A usageError is a command line that nobody can follow.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// usage returns the error for a wrong command line: one line that says what to do.
func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// report prints an error and returns the exit code that belongs to it.
func report(w io.Writer, err error) int {
	var problems config.Problems
	var exit cli.ExitCoder
	var wrong usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(w, "shunt:", wrong.text)
		return exitUsage
	case errors.As(err, &problems):
		refuse(w, problems)
		return exitConfig
	case errors.As(err, &exit):
		if text := exit.Error(); text != "" {
			fmt.Fprintln(w, "shunt:", text)
		}
		return exit.ExitCode()
	}
	fmt.Fprintln(w, "shunt:", err)
	return exitFailure
}

// refuse prints what is wrong with a configuration, and the number of problems if
// there are several.
func refuse(w io.Writer, problems config.Problems) {
	_ = config.Report(w, problems) // there is no other place to report it
	if len(problems) > 1 || problems[0].Pos.Line > 0 {
		errs, warnings := problems.Counts()
		fmt.Fprintf(w, "%s: refused: %s, %s\n", problems[0].Pos.File, count(errs, "error"), count(warnings, "warning"))
	}
}
