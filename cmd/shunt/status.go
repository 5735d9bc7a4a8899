package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// askTimeout bounds one question to a running shunt.
const askTimeout = 10 * time.Second

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show virtual services, real servers and their health",
		Description: "Succeeds when every virtual service is served as it is wanted: with the real servers that\n" +
			"are well, or with its fallback where none is. Otherwise it shows the same, says what is\n" +
			"missing, and exits with 5: after a start or a reload until the first checks have ended, and\n" +
			"for as long as the dataplane refuses a service, because its port is taken for example.",
		Flags: []cli.Flag{
			configFlag(), controlFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print the API's JSON; of connections, one object a line"},
			&cli.BoolFlag{Name: "connections", Usage: "show the connections that the kernel forwards instead, one a line, as they are found"},
			&cli.StringFlag{Name: "service", Usage: "with --connections or --real: only those to `[tcp|udp ]ADDRESS[:PORT]`"},
			&cli.StringFlag{Name: "real", Usage: "show the latest checks of the real server `ADDRESS[:PORT]`; with --connections: only those to it"},
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "go on, once a second, until Ctrl-C"},
		},
		Action: status,
	}
}

func status(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	client, err := dial(c)
	if err != nil {
		return err
	}
	if c.Bool("connections") {
		return showConnections(c, client)
	}
	if c.IsSet("real") {
		return showHistory(c, client)
	}
	if c.IsSet("service") {
		return usage("--service chooses among connections, or with --real among latest checks: add --connections or --real")
	}
	if !c.Bool("watch") {
		return showStatus(c, client)
	}
	ctx, cancel := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer cancel()
	return watch(ctx, c, client)
}

func watch(ctx context.Context, c *cli.Context, client *admin.Client) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if terminal(c.App.Writer) {
			fmt.Fprint(c.App.Writer, "\x1b[H\x1b[2J")
		}
		if err := showStatus(c, client); err != nil && !shown(err) {
			fmt.Fprintln(c.App.Writer, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func showStatus(c *cli.Context, client *admin.Client) error {
	ctx, cancel := context.WithTimeout(c.Context, askTimeout)
	defer cancel()
	s, err := client.Status(ctx)
	if err != nil {
		return notReached(err)
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, s)
	} else {
		err = render(c.App.Writer, s)
	}
	if err == nil && !s.Ready {
		err = cli.Exit("not ready: "+s.Unready, exitUnready)
	}
	return err
}

// showHistory shows the latest checks of a real server.
func showHistory(c *cli.Context, client *admin.Client) error {
	ctx, cancel := context.WithTimeout(c.Context, askTimeout)
	defer cancel()
	servers, err := client.History(ctx, c.String("service"), c.String("real"))
	switch {
	case err != nil:
		return notReached(err)
	case len(servers) == 0:
		return fmt.Errorf("no real server is called %s%s; `shunt status` has them all", c.String("real"), in(c.String("service")))
	case c.Bool("json"):
		return printJSON(c.App.Writer, servers)
	}
	return text.RenderHistory(c.App.Writer, servers, renderOptions(c.App.Writer))
}

func in(service string) string {
	if service == "" {
		return ""
	}
	return " in " + service
}

func render(w io.Writer, s director.Status) error {
	return text.Render(w, s, renderOptions(w))
}

func renderOptions(w io.Writer) text.Options {
	return text.Options{Color: terminal(w) && os.Getenv("NO_COLOR") == "", Width: width(w)}
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// shown reports whether err is part of the status that has been printed.
func shown(err error) bool {
	exit, ok := errors.AsType[cli.ExitCoder](err)
	return ok && exit.ExitCode() == exitUnready
}

// notReached gives exit codes to two errors: no shunt runs, and one runs that
// this user may not ask.
func notReached(err error) error {
	switch {
	case errors.Is(err, admin.ErrNotRunning):
		return cli.Exit(err.Error(), exitStopped)
	case errors.Is(err, admin.ErrForbidden):
		return cli.Exit(err.Error(), exitForbidden)
	}
	return err
}

// width is the terminal's width in columns, 0 where there is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

func terminal(w io.Writer) bool { return width(w) > 0 }

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
