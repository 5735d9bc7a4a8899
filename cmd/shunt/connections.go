package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os/signal"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/dataplane"
)

func connectionsCommand() *cli.Command {
	return &cli.Command{
		Name:  "connections",
		Usage: "show the connections that are being forwarded, by the kernel and by the proxy",
		Description: "One a line, as they are found, in no order: with a million of them that takes minutes. While\n" +
			"connections come and go, one may be missing or appear twice. Those on the built-in sorry\n" +
			"server of the proxy are not among them.",
		Flags: []cli.Flag{
			configFlag(), controlFlag(),
			serviceFlag("only those to the virtual service `[tcp|udp ]ADDRESS[:PORT]`"),
			realFlag("only those to the real server `ADDRESS[:PORT]`"),
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object a line"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			client, err := dial(c)
			if err != nil {
				return err
			}
			return showConnections(c, client)
		},
	}
}

// showConnections writes connections as they come, until Ctrl-C. There may be a
// million of them, which take minutes to read.
func showConnections(c *cli.Context, client *admin.Client) error {
	filter := admin.ConnectionFilter{Service: c.String("service"), Real: c.String("real")}
	if err := filter.Check(); err != nil {
		return usage("%v", err)
	}
	ctx, cancel := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer cancel()
	out := bufio.NewWriter(c.App.Writer)
	table, lines := text.NewConnectionTable(out), json.NewEncoder(out)
	add := table.Add
	if c.Bool("json") {
		add = func(c dataplane.Connection) error { return lines.Encode(admin.NewConnection(c)) }
	}
	err := client.Connections(ctx, filter, add)
	if ctx.Err() != nil {
		err = nil // the user has seen enough
	}
	if err == nil && !c.Bool("json") {
		err = table.Close()
	}
	return notReached(errors.Join(err, out.Flush()))
}
