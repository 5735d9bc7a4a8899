package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/shunt-lb/shunt/dataplane"
)

// Connections calls each with the connections that f selects, one after the other
// as they come. An error of each ends that and is returned. Time is bounded by ctx
// alone: the table may be large.
func (c *Client) Connections(ctx context.Context, f ConnectionFilter, each func(dataplane.Connection) error) error {
	query := url.Values{"service": {f.Service}, "real": {f.Real}}
	resp, err := c.ask(ctx, http.MethodGet, "/api/v1/connections?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := json.NewDecoder(resp.Body)
	for {
		var l ConnectionLine
		err := in.Decode(&l)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("control socket %s: shunt ended before the list of connections did", c.path)
		case err != nil:
			return fmt.Errorf("control socket %s: read the answer: %w", c.path, err)
		case l.End != nil && l.End.Error != "":
			return errors.New(l.End.Error)
		case l.End != nil:
			return nil
		case l.Connection == nil:
			continue
		}
		if err := each(l.plain()); err != nil {
			return err
		}
	}
}
