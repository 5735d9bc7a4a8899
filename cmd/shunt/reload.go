package main

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
)

func reloadCommand() *cli.Command {
	return &cli.Command{
		Name:  "reload",
		Usage: "make the running director read its configuration again",
		Description: "Returns when the new configuration is in force, or says why it was refused. In that case the\n" +
			"old one stays in force, whole. Afterwards it shows what has changed. A configuration that would be\n" +
			"refused is told in the same way with --dry-run.",
		Flags: []cli.Flag{
			configFlag(), controlFlag(),
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what a reload would change, and change nothing"},
			&cli.BoolFlag{Name: "json", Usage: "print the API's JSON"},
		},
		Action: reload,
	}
}

func reload(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	client, err := dial(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, 2*time.Minute)
	defer cancel()
	dry := c.Bool("dry-run")
	plan, err := client.Reload(ctx, dry)
	if refused, ok := errors.AsType[*admin.RefusedError](err); ok {
		verb := "was"
		if dry {
			verb = "would be"
		}
		return cli.Exit("the configuration "+verb+" refused, the old one stays in force\n"+refused.Text, exitConfig)
	}
	switch {
	case err != nil:
		return notReached(err)
	case c.Bool("json"):
		return printJSON(c.App.Writer, plan)
	}
	return text.RenderPlan(c.App.Writer, plan, dry, renderOptions(c.App.Writer))
}
