package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/director"
)

// ErrNotRunning matches the errors of a Client when no process listens on the
// control socket.
var ErrNotRunning = errors.New("no shunt is running")

// ErrForbidden matches the errors of a Client when this user may not open the
// control socket.
var ErrForbidden = errors.New("a shunt runs, but not for you")

// A RefusedError is the answer of a running shunt that has refused a
// configuration. Its text has one problem a line.
type RefusedError struct{ Text string }

// Error returns the problems, one a line.
func (e *RefusedError) Error() string { return e.Text }

// A Client asks the shunt behind a control socket. It holds no connection
// between calls, has nothing to close and may be used from several goroutines.
type Client struct {
	path   string
	config string
	http   http.Client
}

// Dial returns a client of the control socket at path. It connects with each
// call.
func Dial(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: c.dial}
	return c
}

// For returns a client of the same control socket that asks only the director
// of the configuration at an absolute path. Another one refuses to answer.
func (c *Client) For(config string) *Client {
	about := Dial(c.path)
	about.config = config
	return about
}

// Status returns the director's status. The IDs of its services are zero: they
// are not transmitted.
func (c *Client) Status(ctx context.Context) (director.Status, error) {
	var st director.Status
	err := c.do(ctx, http.MethodGet, "/api/v1/status", &st)
	return st, err
}

// History returns the results of the latest checks of the real servers that
// service and real name; "" is all.
func (c *Client) History(ctx context.Context, service, real string) ([]director.ServerHistory, error) {
	var servers []director.ServerHistory
	q := url.Values{"service": {service}, "real": {real}}
	err := c.do(ctx, http.MethodGet, "/api/v1/history?"+q.Encode(), &servers)
	return servers, err
}

// Reload makes the director read its configuration again and returns what has changed
// when it is in force, a *RefusedError if it was refused. With dry nothing changes, and
// what it returns is what would.
func (c *Client) Reload(ctx context.Context, dry bool) (director.Plan, error) {
	path := "/api/v1/reload"
	if dry {
		path += "?dry"
	}
	var p director.Plan
	err := c.do(ctx, http.MethodPost, path, &p)
	return p, err
}

// Process returns the id of the process that listens on the control socket. It does
// not ask that process anything, which may hang.
func (c *Client) Process(ctx context.Context) (int, error) {
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		return 0, c.explain(err)
	}
	defer conn.Close()
	peer, err := peerOf(conn.(*net.UnixConn))
	if err != nil {
		return 0, err
	}
	return int(peer.Pid), nil
}

func (c *Client) do(ctx context.Context, method, path string, answer any) error {
	return c.exchange(ctx, method, path, nil, answer)
}

// send posts a question in JSON.
func (c *Client) send(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	return c.exchange(ctx, http.MethodPost, path, body, answer)
}

func (c *Client) exchange(ctx context.Context, method, path string, body []byte, answer any) error {
	resp, err := c.ask(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("control socket %s: read the answer: %w", c.path, err)
	}
	return nil
}

// ask returns an answer with status 200, whose body the caller closes, or an
// error.
func (c *Client) ask(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://shunt"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if sudo := os.Getenv("SUDO_USER"); sudo != "" {
		req.Header.Set(sudoHeader, sudo)
	}
	if c.config != "" {
		q := req.URL.Query()
		q.Set(configParameter, c.config)
		req.URL.RawQuery = q.Encode()
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
	trusted, err := trustedUsers(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn.(*net.UnixConn), trusted); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// checkPeer returns an error if the process at the other end has none of users.
func checkPeer(conn *net.UnixConn, users []int) error {
	peer, err := peerOf(conn)
	if err != nil {
		return err
	}
	if !slices.Contains(users, int(peer.Uid)) {
		return fmt.Errorf("a program of user %d listens there, whom shunt has no reason to believe", peer.Uid)
	}
	return nil
}

// peerOf returns the process at the other end.
func peerOf(conn *net.UnixConn) (peer *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	if e := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		return nil, e
	}
	return peer, err
}

// explain returns why the socket could not be reached, for an operator.
func (c *Client) explain(err error) error {
	whose := ""
	if c.config != "" {
		whose = " for " + c.config
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w%s with control socket %s; start one with `shunt run`, or name the socket of the one that runs with --control",
			ErrNotRunning, whose, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: its control socket %s is open to root and to the user that it runs as; "+
			"use sudo, have it run with `--control-group GROUP`, or ask its admin address, http://127.0.0.1:9910/ by default",
			ErrForbidden, c.path)
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		return fmt.Errorf("control socket %s: shunt ended before it answered", c.path)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the request means nothing to an operator
	}
	return fmt.Errorf("control socket %s: %w", c.path, err)
}

func refusal(resp *http.Response) error {
	var f Failure
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("shunt answered %s", resp.Status)
	}
	if resp.StatusCode != http.StatusConflict {
		return fmt.Errorf("shunt answers: %s", f.Error)
	}
	return &RefusedError{Text: f.Error}
}
