package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
)

func configCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		&cli.BoolFlag{Name: "strict", Usage: "refuse what ldirectord refuses"},
		dataplaneFlag("; auto is what this host has"),
	}
	return &cli.Command{
		Name:            "config",
		Usage:           "check and explain a configuration file",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{{
			Name: "check", ArgsUsage: "[FILE]", Flags: flags, Action: checkConfig,
			Usage: "say whether a file can be run, and what is wrong with it",
			Description: "Exits with 0 if the file can be run, warnings or not, 2 if it has errors, 1 if it cannot be read.\n" +
				"Names without an address and files that are not there are no errors: shunt starts and waits for them.",
		}, {
			Name: "show", ArgsUsage: "[FILE]", Flags: flags, Action: showConfig,
			Usage: "print every value in force and where it came from",
		}},
		Action: cli.ShowSubcommandHelp,
	}
}

// load reads the file that a config command was given.
func load(c *cli.Context) (string, *config.Config, error) {
	if err := (daemon.Options{Dataplane: c.String("dataplane")}).Validate(); err != nil {
		return "", nil, usage("%v", err)
	}
	path, src, err := readConfig(c)
	if err != nil {
		return path, nil, err
	}
	conf, err := daemon.Check(context.Background(), src, config.Options{Strict: c.Bool("strict")}, c.String("dataplane"))
	return path, conf, err
}

// readConfig reads the file that a command names, or else the environment, or the
// usual one: the file that shunt run would read.
func readConfig(c *cli.Context) (path string, src *config.Source, err error) {
	name := cmp.Or(os.Getenv("SHUNT_CONFIG"), defaultConfig)
	switch c.NArg() {
	case 0:
	case 1:
		name = c.Args().First()
	default:
		return "", nil, usage("%s takes one file, and here are %q and %q", commandPath(c), c.Args().Get(0), c.Args().Get(1))
	}
	path, err = daemon.FindConfig(name)
	if err != nil {
		return name, nil, err
	}
	if passed := daemon.PassedOver(name, path); passed != "" {
		fmt.Fprintf(c.App.ErrWriter, "shunt: %s means %s and not %s; write ./%s for that\n", name, path, passed, name)
	}
	src, err = config.ReadSource(path)
	return path, src, err
}

// A verdict is what `config check --json` prints.
type verdict struct {
	File     string          `json:"file"`
	OK       bool            `json:"ok"`
	Problems config.Problems `json:"problems"`
}

func checkConfig(c *cli.Context) error {
	path, conf, err := load(c)
	var problems config.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	if err == nil {
		problems = config.Join(path, conf.Waiting, conf.Warnings)
	}
	if c.Bool("json") {
		return checkJSON(c, verdict{File: path, OK: err == nil, Problems: append(config.Problems{}, problems...)})
	}
	if err != nil {
		return err // report prints it, as it does for run
	}
	if e := config.Report(c.App.ErrWriter, problems); e != nil {
		return e
	}
	_, warnings := conf.Warnings.Counts()
	_, err = fmt.Fprintf(c.App.Writer, "%s: good: %s, %s%s\n", path, count(len(conf.Virtuals), "virtual service"), count(warnings, "warning"), waitingFor(conf))
	return err
}

// waitingFor returns a clause about the names in the file that this host cannot
// find, "" for none.
func waitingFor(conf *config.Config) string {
	if _, n := conf.Waiting.Counts(); n > 0 {
		return fmt.Sprintf(", waiting for %d that this host does not have now", n)
	}
	return ""
}

func checkJSON(c *cli.Context, v verdict) error {
	if err := printJSON(c.App.Writer, v); err != nil {
		return err
	}
	if !v.OK {
		return cli.Exit("", exitConfig)
	}
	return nil
}

func showConfig(c *cli.Context) error {
	_, conf, err := load(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, config.Explain(conf))
	}
	return config.Show(c.App.Writer, conf)
}
