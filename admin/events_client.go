package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/shunt-lb/shunt/director"
)

// Events calls each with the events that q asks for, oldest first. With q.Follow it goes
// on with those that come, until ctx is done or shunt ends, which is no error. lost is how
// many events before that one are missing, because they were too many. An error of each
// ends it and is returned.
func (c *Client) Events(ctx context.Context, q EventsQuery, each func(e director.Event, lost uint64) error) error {
	resp, err := c.ask(ctx, http.MethodGet, "/api/v1/events?"+q.values().Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in, lost := json.NewDecoder(resp.Body), uint64(0)
	for {
		var l struct {
			director.Event
			lostEvents
		}
		err := in.Decode(&l)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && q.Follow:
			return nil
		case err != nil:
			return fmt.Errorf("control socket %s: read the answer: %w", c.path, err)
		case l.Lost > 0:
			lost += l.Lost
			continue
		}
		if err := each(l.Event, lost); err != nil {
			return err
		}
		lost = 0
	}
}
