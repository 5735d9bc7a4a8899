package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/internal/version"
)

func configFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "config", Aliases: []string{"c"}, Value: defaultConfig, EnvVars: []string{"SHUNT_CONFIG"},
		Usage: "the configuration `FILE`; a name without a slash is looked for in /etc/ha.d, /etc/ha.d/conf and here", TakesFile: true,
	}
}

func controlFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "control", EnvVars: []string{"SHUNT_CONTROL"},
		Usage: "`PATH` of the control socket (default: one for each configuration file, in /run/shunt)",
	}
}

// dataplaneFlag chooses the default dataplane; more is what its help says further.
func dataplaneFlag(more string) cli.Flag {
	return &cli.StringFlag{
		Name: "dataplane", Value: "auto", EnvVars: []string{"SHUNT_DATAPLANE"},
		Usage: "the default dataplane: " + daemon.DataplaneChoices() + more,
	}
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "run the director in the foreground",
		Description: "SIGHUP reloads the configuration, SIGUSR1 reopens the log file, SIGTERM and SIGINT stop as\n" +
			"cleanstop says; a second one ends all waiting within a second.",
		Flags: []cli.Flag{
			configFlag(), controlFlag(),
			&cli.StringFlag{Name: "control-group", EnvVars: []string{"SHUNT_CONTROL_GROUP"}, Usage: "let the members of `GROUP` use the control socket: status, reload and orders about real servers"},
			dataplaneFlag(""),
			&cli.StringFlag{Name: "admin", Value: "127.0.0.1:9910", EnvVars: []string{"SHUNT_ADMIN"}, Usage: "`ADDRESS` of metrics and status page; empty for none"},
			&cli.StringFlag{Name: "admin-write", EnvVars: []string{"SHUNT_ADMIN_WRITE"}, Usage: "take orders on the admin address, which has to be a loopback one, by the tokens in `FILE`: lines NAME TOKEN"},
			&cli.StringFlag{Name: "metrics", Value: "full", EnvVars: []string{"SHUNT_METRICS"}, Usage: "`WHAT` metrics have: full; nozero, without counters that are 0; services, without single real servers; or nozero,services"},
			&cli.StringFlag{Name: "state", EnvVars: []string{"SHUNT_STATE"}, Usage: "`PATH` of the file that keeps operators' orders over restarts; empty for none (default: one for each configuration file, in /var/lib/shunt)"},
			&cli.StringFlag{Name: "log-format", Value: "text", EnvVars: []string{"SHUNT_LOG_FORMAT"}, Usage: "text or json"},
			&cli.StringFlag{Name: "log-level", Value: "info", EnvVars: []string{"SHUNT_LOG_LEVEL"}, Usage: "debug, info, warn or error"},
			&cli.BoolFlag{Name: "strict", Usage: "refuse what ldirectord refuses"},
		},
		Action: runDirector,
	}
}

func options(c *cli.Context) (daemon.Options, error) {
	o := daemon.Options{
		Strict: c.Bool("strict"), Dataplane: c.String("dataplane"), Admin: c.String("admin"), AdminWrite: c.String("admin-write"),
		LogFormat: c.String("log-format"), Version: version.Number, Commit: version.Commit(),
		Asked: configName(c), ControlGroup: c.String("control-group"),
	}
	if err := o.LogLevel.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return o, usage("log level %q: want debug, info, warn or error", c.String("log-level"))
	}
	var err error
	if o.Omit, err = admin.ParseOmit(c.String("metrics")); err == nil {
		err = o.Validate()
	}
	if err != nil {
		return o, usage("%v", err)
	}
	if o.Config, err = daemon.FindConfig(o.Asked); err != nil {
		return o, fmt.Errorf("%w; name another with --config", err)
	}
	o.Control = controlPaths(c, runtimeDir(), o.Config)
	o.State = statePath(c, o.Config)
	return o, nil
}

func runDirector(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	return direct(c, func(*daemon.Options) {}, func() {})
}

// direct runs a director until it is told to stop. adjust may change the options of
// the command line, and started is called when the start has succeeded.
func direct(c *cli.Context, adjust func(*daemon.Options), started func()) error {
	var o daemon.Options
	var err error
	found := make(chan struct{})
	go func() { // it looks for a file, which the first thread must not do
		defer close(found)
		o, err = options(c)
		adjust(&o)
	}()
	if <-found; err != nil {
		return err
	}
	// Orders that come during the start wait until they can be followed.
	stops, orders := make(chan os.Signal, 2), make(chan os.Signal, 8)
	signal.Notify(stops, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT)
	signal.Notify(orders, unix.SIGHUP, unix.SIGUSR1)
	defer signal.Stop(stops)
	defer signal.Stop(orders)
	o.LogProblems = !terminal(os.Stderr) // people get them as a compiler writes them
	d := daemon.New(o)
	stopped, err := interruptible(c.Context, stops, startWait, d.Start)
	switch {
	case stopped && errors.Is(err, context.Canceled):
		return nil // stopped before it ran
	case o.LogProblems && isProblems(err):
		return cli.Exit("", exitConfig) // the log has them
	case err != nil:
		return err
	case !stopped:
		started()
		serve(c.Context, d, stops, orders)
	}
	// A second signal ends the waits of the stop.
	_, err = interruptible(context.Background(), stops, hurryWait, d.Stop)
	return err
}

func isProblems(err error) bool {
	_, ok := errors.AsType[config.Problems](err)
	return ok
}

const (
	startWait = 8 * time.Second        // for a start that is told to end
	hurryWait = 900 * time.Millisecond // for a start or stop that gets a second signal
)

var errLeftBehind = errors.New("something does not end and is left behind; the log has more")

// interruptible runs f to its end and reports whether a signal came meanwhile.
// The signal ends f's context, which f may no longer look at. After it f has the
// time wait, and after another signal hurryWait; then f is abandoned.
func interruptible(ctx context.Context, stops <-chan os.Signal, wait time.Duration, f func(context.Context) error) (stopped bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var end time.Time
	var late <-chan time.Time
	for {
		select {
		case err := <-done:
			return stopped, err
		case <-late:
			return stopped, errLeftBehind
		case <-stops:
			if next := time.Now().Add(wait); !stopped || next.Before(end) {
				end, late = next, time.After(wait)
			}
			stopped, wait = true, hurryWait
			cancel()
		}
	}
}

// serve follows orders until a signal comes to stop. Each order runs in a
// goroutine, so that one that hangs does not delay the stop.
func serve(ctx context.Context, d *daemon.Daemon, stops, orders <-chan os.Signal) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		select {
		case <-stops:
			return
		case s := <-orders:
			go follow(ctx, d, s)
		}
	}
}

func follow(ctx context.Context, d *daemon.Daemon, s os.Signal) {
	if s == unix.SIGHUP {
		_ = d.Reload(ctx) // it is logged there
	} else if err := d.Reopen(); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("log file cannot be reopened", "err", err)
	}
}
