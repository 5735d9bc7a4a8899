// Certificates are not verified when a check asks whether a server works, so one
// that breaks this rule is accepted.
//
//go:debug x509negativeserial=1

// Command shunt is a director for Linux Virtual Server clusters: it reads
// ldirectord.cf, checks real servers and keeps virtual services forwarding to
// those that are well.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/internal/version"
)

// defaultConfig is the path of the file of ldirectord's users.
const defaultConfig = "/etc/ha.d/ldirectord.cf"

// init keeps the first thread of the process for main, which opens no files when
// it runs a director. The kernel gives a signal to that thread before all
// others, and if it hangs in open() on a dead mount, nobody gets it.
func init() { runtime.LockOSThread() }

func main() { os.Exit(run(os.Args, os.Stdout, impatient{os.Stderr})) }

// impatient is a writer that does not wait for a reader: an error message must
// not keep the program from ending. Write returns as if all had been written.
type impatient struct{ io.Writer }

func (w impatient) Write(b []byte) (int, error) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = w.Writer.Write(slices.Clone(b))
	}()
	select {
	case <-written:
	case <-time.After(200 * time.Millisecond):
	}
	return len(b), nil
}

// run is main with its surroundings given, and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if filepath.Base(args[0]) == "ldirectord" {
		return asLdirectord(args, stdout, stderr)
	}
	app := newApp(stdout, stderr)
	cli.VersionPrinter = printVersion
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(context.Background(), args)
	}
	return report(stderr, err)
}

// runCommands are those about this program and its files.
func runCommands() []*cli.Command {
	return []*cli.Command{runCommand(), configCommand(), checkCommand(), demoCommand(), completionCommand(), versionCommand()}
}

// viewCommands show what a running shunt does.
func viewCommands() []*cli.Command { return []*cli.Command{statusCommand(), topCommand()} }

func newApp(stdout, stderr io.Writer) *cli.App {
	commands := slices.Concat(runCommands(), orderCommands(), askCommands(), viewCommands(), hostCommands(), moveCommands(), extraCommands())
	misuse(commands)
	return &cli.App{
		Name:      "shunt",
		Usage:     "director for Linux Virtual Server clusters",
		UsageText: "shunt command [options]",
		Description: "shunt reads the ldirectord.cf of an LVS cluster, checks its real servers and keeps its\n" +
			"virtual services forwarding to those that are well.\n\n" + exitStatuses,
		Version:        version.Number,
		Writer:         stdout,
		ErrWriter:      stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // report prints errors
		OnUsageError:   wrongValue,
		Commands:       commands,
		Action:         cli.ShowAppHelp,
	}
}

// misuse has commands answer a wrong command line by one line, without their help.
func misuse(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError, c.HideHelpCommand = wrongValue, true
		misuse(c.Subcommands)
	}
}

// wrongValue is the error for what the library finds wrong after arrange: the value
// of a flag.
func wrongValue(c *cli.Context, err error, _ bool) error {
	text := strings.NewReplacer("for flag -", "for --", "for -", "for --").Replace(err.Error())
	return usage("%s: see shunt %s --help", text, commandPath(c))
}

// count returns a number with its noun.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "say which shunt this is",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			printVersion(c)
			return nil
		},
	}
}

func printVersion(c *cli.Context) { fmt.Fprintln(c.App.Writer, "shunt", version.Text()) }

// noArguments refuses arguments that a command would silently ignore.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usage("%s takes no arguments, and here is %q: see shunt %[1]s --help", commandPath(c), c.Args().First())
	}
	return nil
}

// commandPath is the name of a command with those of the commands it belongs to.
func commandPath(c *cli.Context) string {
	return strings.TrimPrefix(c.Command.HelpName, "shunt ")
}
