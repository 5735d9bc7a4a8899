package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/daemon/trial"
	"github.com/shunt-lb/shunt/director"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", ArgsUsage: "[FILE]", Action: check,
		Usage: "make the checks of a configuration file once, by hand",
		Description: "Shows for each real server what was sent to it, what came back, the verdict, and where it is known\n" +
			"that ldirectord judges otherwise. Passwords are shown as ***. No shunt needs to be running, and nothing\n" +
			"is changed: no service, no address, no log file. With checkpath=vip, and as root, the kernel's IPVS has\n" +
			"services of its own for firewall marks for as long as the checks take.\n\n" +
			"Exits with 0 if all real servers are well, 1 if some are not or wait for what this host does not have,\n" +
			"2 if the file has errors or cannot be read, or nothing in it is what was asked for.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "virtual", Usage: "only those of the virtual service `SERVICE`: its address and port, its mark, or its servicename"},
			realFlag("only those of the real server `ADDRESS[:PORT]`"),
			&cli.BoolFlag{Name: "full", Usage: "leave out nothing of what was sent and came back"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			&cli.BoolFlag{Name: "strict", Usage: "refuse what ldirectord refuses"},
		},
	}
}

// misused gives an error about the file, and what is asked for of it, its exit
// code. It is not 1, which says that a check has failed. A wrong command line has its
// own.
func misused(err error) error {
	if _, wrong := errors.AsType[usageError](err); wrong {
		return err
	}
	return cli.Exit(err.Error(), exitConfig)
}

func check(c *cli.Context) error {
	path, src, err := readConfig(c)
	if err != nil {
		return misused(err)
	}
	ctx, cancel := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer cancel()
	conf, err := config.ParseSource(ctx, src, config.Options{Strict: c.Bool("strict")})
	if err != nil {
		return err
	}
	if err := config.Report(c.App.ErrWriter, conf.Waiting); err != nil {
		return err
	}
	trials, err := choose(c, path, conf)
	if err != nil {
		return err
	}
	done := daemon.PathsForTrials(ctx, trials)
	failed, err := try(ctx, c, trials)
	err = errors.Join(err, done())
	if err == nil && (failed > 0 || len(conf.Waiting) > 0) {
		err = cli.Exit("", exitFailure)
	}
	return err
}

// choose returns the checks that the command line asks for.
func choose(c *cli.Context, path string, conf *config.Config) ([]director.Trial, error) {
	trials := trial.Selection{Virtual: c.String("virtual"), Real: c.String("real")}.Select(conf)
	if len(trials) == 0 && (c.IsSet("virtual") || c.IsSet("real")) {
		return nil, misused(fmt.Errorf("%s has no real server for%s; `shunt config show` has them all", path, chosen(c)))
	}
	return trials, nil
}

// try makes checks, prints their results and returns how many have failed.
func try(ctx context.Context, c *cli.Context, trials []director.Trial) (failed int, err error) {
	if c.Bool("json") {
		results := []trial.Result{}
		err := trial.Run(ctx, trials, func(r trial.Result) { results = append(results, r) })
		return trial.Failed(results), errors.Join(printJSON(c.App.Writer, results), interrupted(err))
	}
	p := trial.Printer{Out: c.App.Writer, Full: c.Bool("full")}
	err = trial.Run(ctx, trials, p.Print)
	failed, printed := p.Close()
	return failed, errors.Join(printed, interrupted(err))
}

func chosen(c *cli.Context) string {
	var words strings.Builder
	for _, flag := range []string{"virtual", "real"} {
		if c.IsSet(flag) {
			fmt.Fprintf(&words, " --%s %s", flag, c.String(flag))
		}
	}
	return words.String()
}

// interrupted replaces the error of a cancelled context by one for operators.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: not all checks were made")
	}
	return err
}
