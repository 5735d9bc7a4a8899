// Command shunt-bench measures directors side by side: shunt's dataplanes, the
// programs people use today, and no director at all.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench"
	"github.com/shunt-lb/shunt/internal/version"
)

func main() {
	bench.Main()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	status := run(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main with its surroundings given, and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := newApp(stdout, stderr).RunContext(ctx, args)
	var exit statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	fmt.Fprintln(stderr, "shunt-bench:", err)
	return 1
}

// A statusError ends the program with a status and nothing more to say.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func newApp(stdout, stderr io.Writer) *cli.App {
	cli.VersionPrinter = func(c *cli.Context) { fmt.Fprintln(c.App.Writer, "shunt-bench", version.Text()) }
	return &cli.App{
		Name:      "shunt-bench",
		Usage:     "measure directors side by side",
		UsageText: "shunt-bench command [options]",
		Description: "It builds a network in namespaces of this machine, runs one director after the other in it, in\n" +
			"turns, and reports what each did and what it cost. Traffic never leaves the machine, and nothing\n" +
			"stays behind. It needs root, or a system where everybody may make user namespaces.\n\n" +
			"   shunt-bench run                                         everything, a second a round\n" +
			"   shunt-bench run --scenario connections,requests --subjects shunt-proxy,haproxy,direct\n" +
			"   shunt-bench run --scenario schedulers --weights 2,1 --scheduler wrr --pcap packets\n" +
			"   shunt-bench compare old/report.json new/report.json     what became faster, what slower\n" +
			"   shunt-bench report report.json                          the tables of an earlier run",
		Version: version.Number, Writer: stdout, ErrWriter: stderr, HideHelpCommand: true,
		ExitErrHandler: func(*cli.Context, error) {}, // run does it
		OnUsageError:   usage,
		Commands:       []*cli.Command{runCommand(), compareCommand(), reportCommand()},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("no command is called %q: see shunt-bench --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
}

// usage has one line for a wrong flag, where the library would print the help.
func usage(c *cli.Context, err error, _ bool) error {
	name := "shunt-bench"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != name {
		name += " " + c.Command.Name
	}
	return fmt.Errorf("%w: see %s --help", err, name)
}
