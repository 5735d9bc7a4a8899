package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/admin/text"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", ArgsUsage: "REAL|VIRTUAL",
		Usage: "say why a real server or a virtual service is in use or not, and what happens next",
		Description: "REAL is an address or a host name as the configuration has it, with the port or without;\n" +
			"VIRTUAL is [tcp|udp ]ADDRESS[:PORT], a firewall mark or a servicename.",
		Flags: []cli.Flag{
			configFlag(), controlFlag(), virtualFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print the API's JSON"},
		},
		Action: explain,
	}
}

func explain(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("explain takes the name of a real server or a virtual service, got %s: see shunt explain --help", count(c.NArg(), "argument"))
	}
	client, err := dial(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, askTimeout)
	defer cancel()
	e, err := client.Explain(ctx, c.Args().First(), c.String("virtual"))
	if err != nil {
		return notReached(err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, e)
	}
	return text.RenderExplanation(c.App.Writer, e, renderOptions(c.App.Writer))
}
