package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/admin/top"
)

func topCommand() *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "show what a running shunt does, with rates, and take orders by keys",
		Description: "Shows virtual services and real servers with their rates, once a second. Keys choose, search,\n" +
			"sort, explain a row, and give the orders of drain, maint, ready and weight after a question; ? lists them.\n" +
			"NO_COLOR is respected. It needs a terminal: `shunt status --watch` does not.",
		Flags:  []cli.Flag{configFlag(), controlFlag()},
		Action: showTop,
	}
}

func showTop(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if !terminal(c.App.Writer) || !terminal(os.Stdin) {
		return usage("top needs a terminal; `shunt status --watch` does not")
	}
	client, err := dial(c)
	if err != nil {
		return err
	}
	if _, err := client.Status(c.Context); err != nil {
		return notReached(err)
	}
	return top.Run(c.Context, client, os.Stdin, c.App.Writer, top.Options{Host: text.Host(), Color: os.Getenv("NO_COLOR") == ""})
}
