package main

import (
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/config/keepalived"
	"github.com/shunt-lb/shunt/internal/files"
)

// moveCommands help those who come from another director.
func moveCommands() []*cli.Command { return []*cli.Command{convertCommand()} }

func convertCommand() *cli.Command {
	return &cli.Command{
		Name: "convert", ArgsUsage: "KEEPALIVED.CONF", Action: convert,
		Usage: "write the virtual servers of a keepalived.conf as an ldirectord.cf",
		Description: "The result goes to standard output, and passes `shunt config check`. What is lost stands above its\n" +
			"place as a comment with the word LOST, and on standard error with its line. Nothing else is read, and\n" +
			"nothing is changed.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "strict", Usage: "exit with 1 if anything is lost"}},
	}
}

// maxConverted is how many bytes a file may have.
const maxConverted = 16 << 20

func convert(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("convert takes one file, got %d: shunt convert /etc/keepalived/keepalived.conf", c.NArg())
	}
	path := c.Args().First()
	text, err := files.Read(path, maxConverted+1)
	if err != nil {
		return err
	}
	if len(text) > maxConverted {
		return fmt.Errorf("%s is larger than %d MiB: is it a configuration?", path, maxConverted>>20)
	}
	r := keepalived.Convert(c.Context, filepath.Base(path), string(text))
	if _, err := c.App.Writer.Write(r.Text); err != nil {
		return err
	}
	return told(c, path, r)
}

// told tells of what is lost, and returns an error if nothing may be.
func told(c *cli.Context, path string, r keepalived.Result) error {
	for _, l := range r.Losses {
		fmt.Fprintln(c.App.ErrWriter, l)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(c.App.ErrWriter, "%s:%d: note: %s (%s)\n", n.File, n.Line, n.What, n.Why)
	}
	fmt.Fprintf(c.App.ErrWriter, "%s: %s, %s, %s\n", path, count(r.Services, "virtual service"), count(r.Reals, "real server"), losses(len(r.Losses)))
	if c.Bool("strict") && len(r.Losses) > 0 {
		return cli.Exit("", exitFailure)
	}
	return nil
}

func losses(n int) string {
	if n == 1 {
		return "1 loss"
	}
	return fmt.Sprintf("%d losses", n)
}
