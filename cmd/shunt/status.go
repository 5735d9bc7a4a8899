package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// askTimeout bounds one question to a running shunt.
const askTimeout = 10 * time.Second

// checkTimeout bounds that of --check, for a supervisor that waits for it.
const checkTimeout = 5 * time.Second

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show virtual services, real servers and their health",
		Description: "Begins with a summary in a line and what is wrong, the worst first. Of more than forty rows\n" +
			"the table has the virtual services with problems alone, unless --all, --service, --real or\n" +
			"--down say otherwise.\n\n" +
			"Succeeds when every virtual service is served as it is wanted: with the real servers that\n" +
			"are well, or with its fallback where none is. Otherwise it shows the same, says what is\n" +
			"missing, and exits with 5: after a start or a reload until the first checks have ended, and\n" +
			"for as long as the dataplane refuses a service, because its port is taken for example.\n\n" +
			"With --check it prints one line, and exits, as a plugin of Nagios: with 2 (CRITICAL) where\n" +
			"clients notice: a virtual service has no usable real server, is on its fallback, below its\n" +
			"quorum or not served as configured, a reload was refused, or no shunt is running; with 1\n" +
			"(WARNING) where a real server is down, a warning stands or a certificate ends within two weeks;\n" +
			"with 3 (UNKNOWN) if it cannot ask within five seconds; else with 0. What an operator has\n" +
			"ordered, and what is saved, is no problem.",
		Flags: []cli.Flag{
			configFlag(), controlFlag(),
			serviceFlag("only the virtual service `[tcp|udp ]ADDRESS[:PORT]`, or with this servicename"),
			realFlag("only the real server `ADDRESS[:PORT]`, and its latest checks if there is one alone"),
			&cli.BoolFlag{Name: "down", Usage: "only real servers that are not up"},
			&cli.BoolFlag{Name: "all", Usage: "all problems and the whole table, however long they are"},
			&cli.BoolFlag{Name: "check", Usage: "print one line and exit as a plugin of Nagios"},
			&cli.BoolFlag{Name: "checks", Usage: "show the latest checks of the real servers instead"},
			&cli.BoolFlag{Name: "connections", Usage: "the same as the command connections"},
			&cli.BoolFlag{Name: "json", Usage: "print the API's JSON; of connections, one object a line"},
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "go on, once a second, until Ctrl-C"},
		},
		Action: status,
	}
}

func status(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if err := oneForm(c); err != nil {
		return err
	}
	client, err := dial(c)
	switch {
	case c.Bool("check"):
		return checkStatus(c, client, err)
	case err != nil:
		return err
	case c.Bool("connections"):
		return showConnections(c, client)
	case c.Bool("checks"):
		return showHistory(c, client)
	case !c.Bool("watch"):
		return showStatus(c, client)
	}
	ctx, cancel := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer cancel()
	return watch(ctx, c, client)
}

// oneForm refuses flags of which each wants another form of the answer.
func oneForm(c *cli.Context) error {
	var forms []string
	for _, f := range []string{"check", "checks", "connections", "watch"} {
		if c.Bool(f) {
			forms = append(forms, "--"+f)
		}
	}
	switch {
	case len(forms) > 1:
		return usage("%s and %s do not go together: leave one out", forms[0], forms[1])
	case len(forms) == 1 && c.Bool("down") && forms[0] != "--watch":
		return usage("--down and %s do not go together: leave one out", forms[0])
	case c.Bool("check") && c.Bool("json"):
		return usage("--check and --json do not go together: leave one out")
	}
	return nil
}

func filter(c *cli.Context) text.Filter {
	return text.Filter{Service: c.String("service"), Real: c.String("real"), Down: c.Bool("down")}
}

// The exit codes of a plugin of Nagios beside 0 to 2, which are those of the levels
// of problems.
const exitUnknown = 3

// checkStatus prints how all is in one line. failed is why there is no client.
func checkStatus(c *cli.Context, client *admin.Client, failed error) error {
	ctx, cancel := context.WithTimeout(c.Context, checkTimeout)
	defer cancel()
	var s director.Status
	if failed == nil {
		s, failed = client.Status(ctx)
	}
	f := filter(c)
	switch {
	case errors.Is(failed, admin.ErrNotRunning):
		return said(c, text.Critical, "SHUNT CRITICAL: "+failed.Error())
	case failed != nil:
		return said(c, exitUnknown, "SHUNT UNKNOWN: "+failed.Error())
	case f != (text.Filter{}) && len(f.Of(s).Services) == 0:
		return said(c, exitUnknown, "SHUNT UNKNOWN: no virtual service or real server is called so")
	}
	line, level := text.Verdict(s, f, time.Now())
	return said(c, level, line)
}

// said prints the line of a plugin and returns its exit code.
func said(c *cli.Context, code text.Level, line string) error {
	line = strings.ReplaceAll(line, "\n", "; ")
	if _, err := fmt.Fprintln(c.App.Writer, line); err != nil {
		return err
	}
	if code == 0 {
		return nil
	}
	return cli.Exit("", int(code))
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
	f := filter(c)
	found := f.Of(s)
	if len(found.Services) == 0 && !f.Down && f != (text.Filter{}) {
		return nothing(f)
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, found)
	} else {
		err = render(c, s)
	}
	if err == nil && f.Real != "" && !c.Bool("json") && servers(found) == 1 {
		err = showChecksOf(ctx, c, client, found)
	}
	if err == nil && !s.Ready {
		err = cli.Exit("not ready: "+s.Unready, exitUnready)
	}
	return err
}

func servers(s director.Status) (n int) {
	for _, sv := range s.Services {
		n += len(sv.Servers)
	}
	return n
}

// nothing says that a filter has found nothing.
func nothing(f text.Filter) error {
	what := "no virtual service is called " + f.Service
	if f.Real != "" {
		what = "no real server is called " + f.Real + in(f.Service)
	}
	return fmt.Errorf("%s; `shunt status --all` has them all", what)
}

// showChecksOf shows the latest checks of the one real server in s.
func showChecksOf(ctx context.Context, c *cli.Context, client *admin.Client, s director.Status) error {
	sv := s.Services[0]
	checks, err := client.History(ctx, sv.Service, sv.Servers[0].Server)
	if err != nil {
		return notReached(err)
	}
	fmt.Fprintln(c.App.Writer)
	return text.RenderHistory(c.App.Writer, checks, renderOptions(c.App.Writer))
}

// showHistory shows the latest checks of real servers.
func showHistory(c *cli.Context, client *admin.Client) error {
	ctx, cancel := context.WithTimeout(c.Context, askTimeout)
	defer cancel()
	servers, err := client.History(ctx, c.String("service"), c.String("real"))
	switch {
	case err != nil:
		return notReached(err)
	case len(servers) == 0:
		return nothing(filter(c))
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

func render(c *cli.Context, s director.Status) error {
	o := renderOptions(c.App.Writer)
	o.Filter, o.All = filter(c), c.Bool("all")
	return text.Render(c.App.Writer, s, o)
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
