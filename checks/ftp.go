package checks

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/checks/internal/textproto"
)

// FTP logs in and fetches the file that target.Request names from the root
// (RFC 959). The real server is well if the transfer ends with 2xx and
// target.Receive matches the file; without Receive any file will do, and
// without a request as well the login. ldirectord calls every server well
// that has no receive, even one that is not there, which is a defect.
//
// The data connection is passive, by PASV or else EPSV, by EPSV alone over IPv6,
// and goes to the address of the control connection, whatever the server says
// (RFC 2428; the address of PASV is often wrong behind NAT). What the server says
// to TYPE is no matter, nor are lines before a reply that are none.
//
// The commands are written here: a client that stops where TYPE is refused,
// reads lines of any length and hides the codes of replies, as those that
// there are, would be no less code.
func FTP(ctx context.Context, target Target) error {
	return attempt(ctx, "ftp", target.Addr.String(), func() error {
		l, err := target.server().Dial(ctx, "tcp", target.Addr)
		if err != nil {
			return err
		}
		defer l.Close()
		c := &ftp{conn: l.Conn, target: &target, buf: make([]byte, 4<<10)}
		if err := c.logIn(); err != nil {
			return err
		}
		if target.Receive != nil || strings.Trim(target.Request, "/") != "" {
			err = c.fetch(ctx)
		}
		c.send("QUIT")
		return err
	})
}

// An ftp is the control connection of one check.
type ftp struct {
	conn   net.Conn
	target *Target
	lines  session.Lines
	buf    []byte
	unread []byte // of buf
}

// A reply is what a server says to a command.
type reply struct {
	what string // the command, or greeting
	code int
	line []byte // the last one
}

// wants returns an error if the code is none of a class: 2 is 2xx.
func (r *reply) wants(class int, kind Kind, secret string) error {
	switch {
	case r.code/100 == class:
		return nil
	case r.code == 0:
		kind = Protocol
	case r.code/100 == 4, r.code/10 == 50: // it is not about the command, or it is not known
		kind = Status
	}
	return failure.Because(kind, "%s %s, want %dxx", r.what, quote.Quoted(r.line, secret), class)
}

func (c *ftp) send(name string, argument ...string) {
	// Whether it could be sent is not looked at: the reply says.
	_, _ = io.WriteString(c.conn, strings.Join(append([]string{name}, argument...), " ")+"\r\n")
}

// ask sends a command and returns the reply.
func (c *ftp) ask(name string, argument ...string) (*reply, error) {
	c.send(name, argument...)
	return c.read(name, "while waiting for the reply to "+name)
}

// read reads a reply (RFC 959, section 4.2). Its code is 0 if lines came and no
// reply, and the line is the first one then.
func (c *ftp) read(what, when string) (*reply, error) {
	r := &reply{what: what}
	for {
		line, err := c.line(when)
		code, more, ok := textproto.ReplyCode(line)
		switch {
		case err != nil && r.code == 0 && len(r.line) > 0:
			return r, nil
		case err != nil:
			return nil, err
		case ok && !more && (r.code == 0 || code == r.code):
			r.code, r.line = code, line
			return r, nil
		case ok && more && r.code == 0:
			r.code = code
		case r.code == 0 && len(r.line) == 0:
			r.line = bytes.Clone(line)
		}
	}
}

func (c *ftp) line(when string) ([]byte, error) {
	for {
		if line, ok := c.lines.Next(&c.unread); ok {
			return line, nil
		}
		if c.lines.Over() {
			return nil, textproto.ErrTooLong
		}
		n, err := c.conn.Read(c.buf)
		if err != nil && n == 0 {
			return nil, &failure.Cause{Err: err, When: when}
		}
		c.unread = c.buf[:n]
	}
}

func (c *ftp) logIn() error {
	r, err := c.read("greeting", textproto.UntilGreeting)
	if err != nil {
		return err
	}
	if err := r.wants(2, Status, c.target.Passwd); err != nil {
		return err
	}
	r, err = c.ask("USER", c.target.Login)
	if err == nil && r.code/100 == 3 {
		r, err = c.ask("PASS", c.target.Passwd)
	}
	if err != nil {
		return err
	}
	return r.wants(2, Auth, c.target.Passwd)
}

// fetch fetches the file and judges it.
func (c *ftp) fetch(ctx context.Context) error {
	if _, err := c.ask("TYPE", "I"); err != nil {
		return err
	}
	data, err := c.passive(ctx)
	if err != nil {
		return err
	}
	defer data.Close()
	r, err := c.ask("RETR", "/"+strings.TrimPrefix(c.target.Request, "/"))
	if err != nil {
		return err
	}
	if err := r.wants(1, Status, c.target.Passwd); err != nil {
		return err
	}
	return c.judge(ctx, data)
}

// passive makes the data connection.
func (c *ftp) passive(ctx context.Context) (*dial.Link, error) {
	first, second := "PASV", "EPSV" // there are firewalls that end a connection at EPSV
	if c.target.Addr.Addr().Is6() {
		first, second = second, ""
	}
	r, err := c.ask(first)
	if err == nil && r.code/100 != 2 && second != "" {
		r, err = c.ask(second)
	}
	if err != nil {
		return nil, err
	}
	if err := r.wants(2, Status, c.target.Passwd); err != nil {
		return nil, err
	}
	port := dataPort(r.line)
	if port == 0 {
		return nil, failure.Because(Protocol, "%s %s, want a port", r.what, quote.Quoted(r.line, c.target.Passwd))
	}
	addr := netip.AddrPortFrom(c.target.Addr.Addr(), port)
	l, err := c.target.server().Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, &failure.Cause{Err: err, Where: "data connection to " + addr.String(), When: "while connecting"}
	}
	return l, nil
}

var (
	extendedPort = regexp.MustCompile(`\((\D)(\D)(\D)(\d+)(\D)\)`)
	passivePort  = regexp.MustCompile(`\d+,\d+,\d+,\d+,(\d+),(\d+)`)
)

// dataPort is the port that a reply to EPSV or PASV names, 0 if there is none.
func dataPort(line []byte) uint16 {
	if m := extendedPort.FindSubmatch(line); m != nil {
		port, err := strconv.ParseUint(string(m[4]), 10, 16)
		if err == nil && bytes.Equal(m[1], m[2]) && bytes.Equal(m[1], m[3]) && bytes.Equal(m[1], m[5]) {
			return uint16(port)
		}
	}
	m := passivePort.FindSubmatch(line)
	if m == nil {
		return 0
	}
	high, err1 := strconv.ParseUint(string(m[1]), 10, 8)
	low, err2 := strconv.ParseUint(string(m[2]), 10, 8)
	if err1 != nil || err2 != nil {
		return 0
	}
	return uint16(high<<8 | low)
}

// judge reads the file to its end, or to its bound, and says what becomes of
// the check.
func (c *ftp) judge(ctx context.Context, data *dial.Link) error {
	file := &io.LimitedReader{R: data, N: MaxBody}
	found, err := true, error(nil)
	if c.target.Receive != nil {
		if found, err = c.target.Receive.Match(ctx, file); err != nil {
			return match.Interrupted(err)
		}
	}
	// How it ends, the reply says.
	_, _ = io.Copy(io.Discard, file)
	if file.N > 0 {
		r, err := c.read("RETR", "while waiting for the end of the file")
		if err != nil {
			return err
		}
		if err := r.wants(2, Status, c.target.Passwd); err != nil {
			return err
		}
	}
	if !found {
		return failure.Because(Mismatch, "file does not match %q", c.target.Receive)
	}
	return nil
}
