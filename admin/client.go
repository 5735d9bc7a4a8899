package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/director"
)

// ErrNotRunning is matched by the errors of a Client when nobody listens on
// the control socket.
var ErrNotRunning = errors.New("no shunt is running")

// A RefusedError is the answer of a running shunt that has refused a
// configuration. Its text has one problem a line.
type RefusedError struct{ Text string }

// Error returns the problems, one a line.
func (e *RefusedError) Error() string { return e.Text }

// A Client asks the shunt behind a control socket. It holds no connection
// between calls, has nothing to close and may be used from several goroutines.
type Client struct {
	path string
	http http.Client
}

// Dial returns a client of the control socket at path. It connects only when
// something is asked.
func Dial(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: c.dial}
	return c
}

// Status returns the director's status. In it the services' IDs are zero:
// they do not travel.
func (c *Client) Status(ctx context.Context) (director.Status, error) {
	var st director.Status
	err := c.do(ctx, http.MethodGet, "/api/v1/status", &st)
	return st, err
}

// Reload makes the director read its configuration again and returns nil when
// that is in force. A *RefusedError says why it is not.
func (c *Client) Reload(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/api/v1/reload", new(struct{}))
}

func (c *Client) do(ctx context.Context, method, path string, answer any) error {
	resp, err := c.ask(ctx, method, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("control socket %s: read the answer: %w", c.path, err)
	}
	return nil
}

// ask returns an answer that is none of refusal. Its body has to be closed.
func (c *Client) ask(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://shunt"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	path, err := socketPath(c.path)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// explain says in an operator's words why the socket could not be reached.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w with control socket %s; start one with `shunt run`, or name the socket of the one that runs",
			ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied; it is open to root and to the user that shunt runs as", c.path)
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		return fmt.Errorf("control socket %s: shunt ended before it answered", c.path)
	}
	return fmt.Errorf("control socket %s: %w", c.path, err)
}

func refusal(resp *http.Response) error {
	var f failure
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("shunt answered %s", resp.Status)
	}
	if resp.StatusCode != http.StatusConflict {
		return fmt.Errorf("shunt answers: %s", f.Error)
	}
	return &RefusedError{Text: f.Error}
}
