package main

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/admin"
)

func reloadCommand() *cli.Command {
	return &cli.Command{
		Name:  "reload",
		Usage: "make the running director read its configuration again",
		Description: "Returns when the new configuration is in force, or says why it was refused. In that case the\n" +
			"old one stays in force, whole.",
		Flags:  []cli.Flag{configFlag(), controlFlag()},
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
	err = client.Reload(ctx)
	if refused, ok := errors.AsType[*admin.RefusedError](err); ok {
		return cli.Exit("the configuration was refused, the old one stays in force\n"+refused.Text, exitConfig)
	}
	return notReached(err)
}
