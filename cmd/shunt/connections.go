package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/dataplane"
)

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
	unlisted, err := client.Connections(ctx, filter, add)
	if ctx.Err() != nil {
		err = nil // the user has seen enough
	}
	switch {
	case err != nil:
	case !c.Bool("json"):
		err = table.Close(unlisted)
	case len(unlisted) > 0:
		fmt.Fprintf(c.App.ErrWriter, "shunt: not listed, because the proxy has no table of its connections: %s\n", strings.Join(unlisted, ", "))
	}
	return notReached(errors.Join(err, out.Flush()))
}
