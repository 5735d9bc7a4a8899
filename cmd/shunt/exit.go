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
	exitFailure   = 1 // something failed: a missing file, an address in use
	exitConfig    = 2 // the configuration has errors
	exitStopped   = 3 // status: no shunt is running
	exitForbidden = 4 // status: one is, and this user may not ask it
	exitUnready   = 5 // status: one is, and does not serve every service as it is wanted
	exitWaited    = 6 // the time of --wait was over first
)

// exitStatuses is what the help says of them.
const exitStatuses = "Exit codes: 0 success, 1 failure, 2 errors in the configuration, 3 no shunt is\n" +
	"running, 4 one is running that this user may not ask, 5 one is running that does not\n" +
	"serve every service as it is wanted (status), 6 the time of --wait was over first."

// report prints an error and returns the exit code that belongs to it.
func report(w io.Writer, err error) int {
	var problems config.Problems
	var exit cli.ExitCoder
	switch {
	case err == nil:
		return 0
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
