package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/bench/result"
)

// leave prints the tables of a run and writes its report.
func leave(w io.Writer, run result.Run, dir string) error {
	if err := report.Print(w, run, terminal(w)); err != nil {
		return err
	}
	paths, err := report.Write(dir, run)
	for _, p := range paths {
		fmt.Fprintln(w, p)
	}
	return err
}

func terminal(w io.Writer) report.Options {
	if f, ok := w.(*os.File); ok {
		return report.Terminal(f)
	}
	return report.Options{}
}

func reportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "show an earlier run", ArgsUsage: "RUN.json", OnUsageError: usage,
		Description: "It prints the tables of a run. With --out it writes report.json, report.csv and report.html, too.\n" +
			"With --into it replaces, in a document in Markdown, what is between the lines <!-- NAME --> and\n" +
			"<!-- /NAME -->, the name being that of --mark.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`FOLDER` to write the report to", TakesFile: true},
			&cli.BoolFlag{Name: "markdown", Usage: "print Markdown"},
			&cli.StringFlag{Name: "into", Usage: "`DOCUMENT` to put the tables into", TakesFile: true},
			&cli.StringFlag{Name: "mark", Value: "run", Usage: "`NAME` of their place there"},
		},
		Action: show,
	}
}

func show(c *cli.Context) error {
	runs, err := read(c, 1)
	switch {
	case err != nil:
		return err
	case c.String("into") != "":
		return report.InsertFile(c.String("into"), c.String("mark"), runs[0])
	case c.Bool("markdown"):
		return report.Markdown(c.App.Writer, runs[0])
	case c.String("out") != "":
		return leave(c.App.Writer, runs[0], c.String("out"))
	}
	return report.Print(c.App.Writer, runs[0], terminal(c.App.Writer))
}

func compareCommand() *cli.Command {
	return &cli.Command{
		Name: "compare", Usage: "say what changed between two runs", ArgsUsage: "OLD.json NEW.json", OnUsageError: usage,
		Description: "The exit status is 2 where something got worse by more than chance explains.",
		Action: func(c *cli.Context) error {
			runs, err := read(c, 2)
			if err != nil {
				return err
			}
			found := report.Compare(runs[0], runs[1])
			if err := found.Print(c.App.Writer, terminal(c.App.Writer)); err != nil {
				return err
			}
			if found.Worse() {
				return statusError(2)
			}
			return nil
		},
	}
}

// read reads as many runs as the command takes.
func read(c *cli.Context, want int) ([]result.Run, error) {
	if c.NArg() != want {
		return nil, fmt.Errorf("%s wants %s: see shunt-bench %s --help", c.Command.Name, c.Command.ArgsUsage, c.Command.Name)
	}
	var runs []result.Run
	var errs []error
	for _, path := range c.Args().Slice() {
		run, err := report.ReadFile(path)
		runs, errs = append(runs, run), append(errs, err)
	}
	return runs, errors.Join(errs...)
}
