package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
)

// orderCommands have a running shunt do something.
func orderCommands() []*cli.Command {
	return []*cli.Command{
		reloadCommand(),
		orderCommand(director.VerbDrain, "REAL", "let the connections of a real server end and give it no new ones",
			"The server keeps its connections and pinned clients and gets no others. Over it is when none is\n"+
				"left: of TCP no connection and no pinned client; of UDP, whose flows have no end, when they have\n"+
				"moved to other servers, three seconds later."),
		orderCommand(director.VerbMaint, "REAL", "take a real server out of use, as a file in maintenancedir does",
			"The server leaves as quiescent says. Its checks go on."),
		orderCommand(director.VerbReady, "REAL", "end drain and maint",
			"With --wait it returns when the server gets clients: its checks find it well, and the dataplane has it."),
		orderCommand(director.VerbWeight, "REAL N|N%|file", "give a real server another weight than the configured one",
			"N is from 0 to 65535, N% a share of the configured weight, and file the configured one again. An\n"+
				"agent's percentages are of the weight that is ordered."),
		fallbackCommand(),
	}
}

// stays is what holds for every order about a real server.
const stays = "REAL is an address or a host name as the configuration has it, with the port or without: then all\n" +
	"of its ports. Without --virtual it is meant in every virtual service that has it. An order stays until\n" +
	"it is taken back, over reloads and restarts, and wins over checks and agents; Ctrl-C ends the wait and\n" +
	"not the order. Exit codes beside the usual ones: 1, somebody has ordered something else meanwhile; 6, the\n" +
	"time of --wait was over first. A restart of shunt is waited for as well."

func virtualFlag() cli.Flag {
	return &cli.StringFlag{Name: "virtual", Usage: "only in the virtual service `[tcp|udp ]ADDRESS[:PORT]`, or servicename"}
}

func reasonFlag() cli.Flag {
	return &cli.StringFlag{Name: "reason", Usage: "`TEXT` that the status, the log and events show"}
}

func orderCommand(verb director.Verb, arguments, usage, description string) *cli.Command {
	return &cli.Command{
		Name: string(verb), Usage: usage, ArgsUsage: arguments, Description: description + "\n\n" + stays,
		Flags: []cli.Flag{
			configFlag(), controlFlag(), reasonFlag(),
			virtualFlag(),
			&cli.DurationFlag{Name: "wait", Usage: "wait for its end, for `DURATION` at most, such as 5m"},
			&cli.BoolFlag{Name: "json", Usage: "print the API's JSON, at the end of the wait"},
		},
		Action: func(c *cli.Context) error { return order(c, verb) },
	}
}

func order(c *cli.Context, verb director.Verb) error {
	want := 1
	if verb == director.VerbWeight {
		want = 2
	}
	if c.NArg() != want {
		return usage("%s takes %s, got %d: see shunt %s --help", verb, count(want, "argument"), c.NArg(), verb)
	}
	if c.IsSet("wait") && c.Duration("wait") <= 0 {
		return usage("--wait %v: want a duration above 0, such as 5m", c.Duration("wait"))
	}
	client, err := dial(c)
	if err != nil {
		return err
	}
	given := director.Order{Verb: verb, Real: c.Args().First(), Service: c.String("virtual"), Weight: c.Args().Get(1), Reason: c.String("reason")}
	ctx, cancel := context.WithTimeout(c.Context, askTimeout)
	defer cancel()
	all, err := client.Order(ctx, given)
	if err != nil {
		return notReached(err)
	}
	w := &orderWait{client: client, given: given, began: time.Now(), limit: c.Duration("wait"), all: all, out: c.App.Writer, err: c.App.ErrWriter}
	if w.json = c.Bool("json"); !w.json {
		w.print()
	}
	w.warn()
	err = w.wait(c.Context)
	if w.json {
		err = errors.Join(printJSON(w.out, w.all), err)
	}
	return err
}

// An orderWait waits for the end of an order.
type orderWait struct {
	client   *admin.Client
	given    director.Order
	began    time.Time
	limit    time.Duration // 0: it does not wait
	all      []director.OrderStatus
	json     bool
	out, err io.Writer
}

// print prints the servers that the order is about, a line each.
func (w *orderWait) print() {
	for _, st := range w.all {
		words := string(w.given.Verb)
		if w.given.Verb == director.VerbWeight {
			words = fmt.Sprintf("weight %d", st.Weight)
		}
		if st.By != "" {
			words += " by " + st.By
		}
		if w.given.Reason != "" {
			words += ": " + w.given.Reason
		}
		fmt.Fprintf(w.out, "%s  %s  %s\n", st.Service, st.Real, words)
	}
}

// warn says on the standard error what an order has brought about that is worse than
// what was meant.
func (w *orderWait) warn() {
	var said []string
	if len(w.all) > 0 && w.all[0].Unsaved != "" {
		fmt.Fprintf(w.err, "shunt: warning: the order is in force but not saved: a restart of shunt forgets it: %s\n", w.all[0].Unsaved)
	}
	for _, st := range w.all {
		var warning string
		switch {
		case st.Unserved && st.Fallback != "":
			warning = fmt.Sprintf("no real server of %s is usable: its fallback %s answers", st.Service, st.Fallback)
		case st.Unserved:
			warning = fmt.Sprintf("no real server of %s is usable, and it has no fallback", st.Service)
		}
		if warning != "" && !slices.Contains(said, warning) {
			said = append(said, warning)
			fmt.Fprintln(w.err, "shunt: warning:", warning)
		}
		if st.State == director.Drain && st.Persistent > 0 {
			fmt.Fprintf(w.err, "shunt: %s of %s in %s may stay for up to %v; expirequiescent=yes moves them at once\n",
				count(st.Persistent, "pinned client"), st.Real, st.Service, time.Duration(st.Longest))
		}
	}
}

// lookPause is the time between two looks.
const lookPause = 500 * time.Millisecond

// wait waits until the order has ended everywhere. While no shunt runs it asks again:
// one that is started anew knows the order.
func (w *orderWait) wait(ctx context.Context) error {
	if w.limit == 0 {
		return w.held()
	}
	ctx, cancel := context.WithDeadline(ctx, w.began.Add(w.limit))
	defer cancel()
	tick := time.NewTicker(lookPause)
	defer tick.Stop()
	var lost error
	for {
		if lost == nil {
			if err := w.overruled(); err != nil {
				return err
			}
			if w.over() {
				return w.ended()
			}
			w.progress()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return w.late(lost)
		}
		all, err := w.look(ctx)
		if errors.Is(err, admin.ErrForbidden) {
			return notReached(err)
		}
		if ctx.Err() != nil {
			return w.late(lost)
		}
		if lost = err; err == nil {
			w.all = all
		}
	}
}

func (w *orderWait) look(ctx context.Context) ([]director.OrderStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return w.client.Orders(ctx, w.given.Service, w.given.Real)
}

// wanted is the state of the order that is waited for.
func (w *orderWait) wanted() director.State {
	switch w.given.Verb {
	case director.VerbDrain:
		return director.Drain
	case director.VerbMaint:
		return director.Maintenance
	}
	return director.Ready
}

// overruled returns an error if the order that was given is no longer in force.
func (w *orderWait) overruled() error {
	if len(w.all) == 0 {
		return fmt.Errorf("%s of %s: the configuration has no such real server any more", w.given.Verb, w.given.Real)
	}
	for _, st := range w.all {
		if w.given.Verb == director.VerbWeight || st.State == w.wanted() {
			continue
		}
		by := "an order"
		if st.By != "" {
			by = st.By
		}
		return fmt.Errorf("%s of %s in %s was taken back meanwhile: %s by %s", w.given.Verb, st.Real, st.Service, st.State, by)
	}
	return w.held()
}

// held returns an error if a file keeps out what is ready.
func (w *orderWait) held() error {
	for _, st := range w.all {
		if w.given.Verb == director.VerbReady && st.MaintenanceFile != "" {
			return fmt.Errorf("%s in %s is ready, but the maintenance file %s keeps it out: remove it", st.Real, st.Service, st.MaintenanceFile)
		}
	}
	return nil
}

// ends reports whether nothing is awaited of a server any more.
func (w *orderWait) ends(st director.OrderStatus) bool {
	if w.given.Verb == director.VerbWeight {
		return st.InForce
	}
	return st.Over
}

func (w *orderWait) over() bool {
	return !slices.ContainsFunc(w.all, func(st director.OrderStatus) bool { return !w.ends(st) })
}

// left says what is awaited of a server.
func (w *orderWait) left(st director.OrderStatus) string {
	if w.given.Verb == director.VerbReady || w.given.Verb == director.VerbWeight {
		return fmt.Sprintf("%s: %s", st.Server, st.Cause)
	}
	text := count(st.Active, "connection")
	switch {
	case st.Persistent > 0:
		text += fmt.Sprintf(", %s (for up to %v)", count(st.Persistent, "pinned client"), time.Duration(st.Longest))
	case st.Inactive > 0 && st.Active == 0:
		text += fmt.Sprintf(", %d inactive", st.Inactive)
	}
	if st.Note != "" {
		text += "; " + st.Note
	}
	return text
}

// progress shows what is awaited, where somebody can see it change.
func (w *orderWait) progress() {
	if w.json || !terminal(w.out) {
		return
	}
	for _, st := range w.all {
		if !w.ends(st) {
			fmt.Fprintf(w.out, "\r\x1b[K  %s: %s", st.Real, w.left(st))
			return
		}
	}
}

func (w *orderWait) ended() error {
	if !w.json {
		if terminal(w.out) {
			fmt.Fprint(w.out, "\r\x1b[K")
		}
		fmt.Fprintf(w.out, "  ended after %v\n", time.Since(w.began).Round(100*time.Millisecond))
	}
	return nil
}

// late is the error of a wait whose time is over; lost is why shunt does not answer, nil
// if it does.
func (w *orderWait) late(lost error) error {
	if !w.json && terminal(w.out) {
		fmt.Fprintln(w.out)
	}
	if errors.Is(lost, admin.ErrNotRunning) {
		return notReached(lost)
	}
	if lost != nil {
		return cli.Exit(fmt.Sprintf("%s of %s: shunt does not say how far it is: %v", w.given.Verb, w.given.Real, lost), exitWaited)
	}
	var open []director.OrderStatus
	for _, st := range w.all {
		if !w.ends(st) {
			open = append(open, st)
		}
	}
	if len(open) == 0 {
		return nil
	}
	more := ""
	if len(open) > 1 {
		more = fmt.Sprintf(", and %d more", len(open)-1)
	}
	return cli.Exit(fmt.Sprintf("%s of %s in %s has not ended after %v: %s%s; the order stays",
		w.given.Verb, open[0].Real, open[0].Service, w.limit, w.left(open[0]), more), exitWaited)
}

func fallbackCommand() *cli.Command {
	return &cli.Command{
		Name: "fallback", Usage: "have the fallback of a virtual service answer, or its real servers again", ArgsUsage: "on|off VIRTUAL",
		Description: "on: the fallback gets all new clients although real servers are usable; these keep their connections.\n" +
			"off: it answers when they cannot, as ever. VIRTUAL is [tcp|udp ]ADDRESS[:PORT], or a servicename.",
		Flags: []cli.Flag{configFlag(), controlFlag(), reasonFlag()},
		Action: func(c *cli.Context) error {
			word := c.Args().First()
			if c.NArg() != 2 || word != "on" && word != "off" {
				return usage("fallback takes on or off, and a virtual service, got %q", cmp.Or(word, "nothing"))
			}
			client, err := dial(c)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context, askTimeout)
			defer cancel()
			return notReached(client.Fallback(ctx, director.FallbackOrder{Service: c.Args().Get(1), On: word == "on", Reason: c.String("reason")}))
		},
	}
}
