package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/daemon/doctor"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", ArgsUsage: "[FILE]", Action: examine,
		Usage: "examine this host for what keeps the services of a file from working",
		Description: "Looks at the kernel and its modules, the rights and limits of shunt, the kernel's settings, the\n" +
			"virtual addresses and who else answers for them, real servers and the ways to them, ports, clock and\n" +
			"other programs. Each finding says what it breaks and what to type. It takes some seconds. Nothing is changed\n" +
			"without --fix, except that the kernel may load its module of IPVS, as for shunt run; a large packet goes\n" +
			"to port 9 of each real server behind a tunnel. Checks that are programs are not made.\n\n" +
			"CONFIGURATION.md explains each code. Exits with 0 if there is nothing worse than notes, 1 with warnings,\n" +
			"2 with errors, 64 for wrong usage.",
		Flags: []cli.Flag{
			dataplaneFlag("; auto is what this host has"),
			controlFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print the findings as a JSON array"},
			&cli.BoolFlag{Name: "fix", Usage: "show which settings would be set and modules loaded, ask, do it, and examine again"},
			&cli.BoolFlag{Name: "yes", Usage: "with --fix: do not ask"},
		},
	}
}

func examine(c *cli.Context) error {
	if err := checkDoctorFlags(c); err != nil {
		return usage("%v", err)
	}
	path, src, err := readConfig(c)
	if err != nil {
		return misused(err)
	}
	ctx, cancel := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer cancel()
	report, err := consult(ctx, c, path, src)
	if err != nil {
		return usage("%v", err)
	}
	if err := printReport(c, &report, path); err != nil {
		return err
	}
	if fixes := report.Fixes(); c.Bool("fix") && len(fixes) > 0 && agreed(c, fixes) {
		failed := mend(ctx, c, fixes)
		if report, err = consult(ctx, c, path, src); err != nil {
			return err
		}
		if err := errors.Join(printReport(c, &report, path), failed); err != nil {
			return err
		}
	}
	if code := report.Status(); code != 0 {
		return cli.Exit("", code)
	}
	return nil
}

func checkDoctorFlags(c *cli.Context) error {
	switch {
	case c.Bool("fix") && c.Bool("json"):
		return errors.New("--fix asks and --json is for programs: one of them")
	case c.Bool("yes") && !c.Bool("fix"):
		return errors.New("--yes is for --fix")
	case c.Bool("fix") && !c.Bool("yes") && !terminal(os.Stdin):
		return errors.New("--fix asks, and standard input is no terminal: add --yes")
	}
	return nil
}

// consult makes the examinations. The error is one of usage.
func consult(ctx context.Context, c *cli.Context, path string, src *config.Source) (doctor.Report, error) {
	in, err := daemon.Inspect(ctx, src, c.String("dataplane"))
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return doctor.Refused(problems), nil
	}
	if err != nil {
		return doctor.Report{}, err
	}
	return doctor.Examine(ctx, &doctor.Subject{Inspection: in, Settings: sysctl.System, Process: running(ctx, c, path)}), nil
}

// running returns the number of the shunt that runs with a configuration, 0 for none.
func running(ctx context.Context, c *cli.Context, path string) int {
	for _, dir := range []string{runtimeDir(), rootDir} {
		for _, socket := range controlPaths(c, dir, path) {
			if pid, err := admin.Dial(socket).Process(ctx); err == nil {
				return pid
			}
		}
	}
	return 0
}

func printReport(c *cli.Context, r *doctor.Report, path string) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, append([]doctor.Finding{}, r.Findings...))
	}
	host, _ := os.Hostname()
	return doctor.Print(c.App.Writer, r, path, cmp.Or(host, "this host"))
}

// agreed shows fixes and reports whether they are to be done.
func agreed(c *cli.Context, fixes []*doctor.Fix) bool {
	fmt.Fprintln(c.App.Writer)
	for _, x := range fixes {
		fmt.Fprintf(c.App.Writer, "%s\n         to last: %s\n", x.Command, x.Lasting)
	}
	if c.Bool("yes") {
		return true
	}
	fmt.Fprintf(c.App.Writer, "Do it? [y/N] ")
	answer, _ := bufio.NewReader(io.LimitReader(os.Stdin, 100)).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}

// mend does fixes, and returns those that have failed.
func mend(ctx context.Context, c *cli.Context, fixes []*doctor.Fix) error {
	var errs []error
	for _, x := range fixes {
		if err := x.Do(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(c.App.Writer, "done: %s\n", x.Command)
	}
	fmt.Fprintln(c.App.Writer)
	return errors.Join(errs...)
}
