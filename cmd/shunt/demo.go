package main

import (
	"net"
	"os/signal"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/daemon/demo"
	"github.com/shunt-lb/shunt/internal/version"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "show what a director does, on this machine, without root",
		Description: "Starts two small web servers and a director in front of them, stops and starts the servers\n" +
			"and shows what clients see. Then it keeps running, until Ctrl-C.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "end after the story"},
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8080", Usage: "`ADDRESS` of the virtual service; another port if it is in use"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if _, _, err := net.SplitHostPort(c.String("listen")); err != nil {
				return usage("--listen %q: want ADDRESS:PORT, as 127.0.0.1:8080", c.String("listen"))
			}
			ctx, cancel := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
			defer cancel()
			return demo.Run(ctx, demo.Options{Once: c.Bool("once"), Out: c.App.Writer, Listen: c.String("listen"), Version: version.Number})
		},
	}
}
