package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

func eventsCommand() *cli.Command {
	return &cli.Command{
		Name:  "events",
		Usage: "show what has happened: changes of real servers, services and the configuration",
		Description: "Shows the latest events, a thousand or so, the oldest first. With --follow it goes on until\n" +
			"Ctrl-C, also over a restart of shunt.",
		Flags: []cli.Flag{
			configFlag(), controlFlag(),
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with the events that come, until Ctrl-C"},
			&cli.BoolFlag{Name: "json", Usage: "print the events as JSON, one a line, in the form that webhooks get"},
			&cli.DurationFlag{Name: "since", Usage: "only events of the last `TIME`, such as 1h30m"},
			serviceFlag("only those of the service `[tcp|udp ]ADDRESS:PORT`, or of that servicename"),
			realFlag("only those of the real server `ADDRESS[:PORT]`"),
		},
		Action: events,
	}
}

func events(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if c.Duration("since") < 0 {
		return usage("--since %v: want a time such as 1h30m", c.Duration("since"))
	}
	client, err := dial(c)
	if err != nil {
		return err
	}
	p := &eventPrinter{c: c, query: admin.EventsQuery{Service: c.String("service"), Real: c.String("real"), Follow: c.Bool("follow")}}
	if since := c.Duration("since"); since > 0 {
		p.since = time.Now().Add(-since)
	}
	ctx, cancel := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer cancel()
	if p.query.Follow {
		err = p.follow(ctx, client)
	} else {
		err = p.print(ctx, client)
	}
	if ctx.Err() != nil {
		return nil // the user has seen enough
	}
	return notReached(err)
}

// An eventPrinter prints events.
type eventPrinter struct {
	c     *cli.Context
	query admin.EventsQuery // for those after the last one
	since time.Time
	err   error // of the output
}

func (p *eventPrinter) print(ctx context.Context, client *admin.Client) error {
	return client.Events(ctx, p.query, p.one)
}

// followPause is the time between two attempts to reach a shunt that has ended.
const followPause = time.Second

// follow prints events until ctx is done. After the first answer it waits for a shunt
// that has ended to come back.
func (p *eventPrinter) follow(ctx context.Context, client *admin.Client) error {
	for reached := false; ; {
		err := p.print(ctx, client)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			reached = true
			fmt.Fprintln(p.c.App.ErrWriter, "shunt: the running shunt has ended; waiting for the next one")
		case !reached || p.err != nil || errors.Is(err, admin.ErrForbidden):
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
	}
}

// one prints an event, and says how many are missing before it.
func (p *eventPrinter) one(e director.Event, lost uint64) error {
	if lost > 0 {
		fmt.Fprintf(p.c.App.ErrWriter, "shunt: %d events are missing here: there were too many\n", lost)
	}
	p.query.After = e.Seq
	if e.Time.Before(p.since) {
		return nil
	}
	if p.c.Bool("json") {
		p.err = json.NewEncoder(p.c.App.Writer).Encode(e)
	} else {
		_, p.err = fmt.Fprintln(p.c.App.Writer, text.Event(e))
	}
	return p.err
}
