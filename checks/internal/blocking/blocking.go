// Package blocking drives a session by blocking calls, in the goroutine of its
// check, over TCP, TLS or UDP. Package loop does the same for thousands at once.
package blocking

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// MaxPiece is how much of an answer a session is fed at once, in bytes.
const MaxPiece = 16 << 10

// MaxDatagram is how much of a datagram a session is fed, in bytes: all of it.
const MaxDatagram = 64 << 10

// Talk makes the conversation of s, over a connection to first and those to
// which it leads.
func Talk(ctx context.Context, server *dial.Server, network string, first session.Hop, s session.Session) error {
	conn, err := Open(ctx, server, network, &first)
	if err != nil {
		return err
	}
	return Drive(ctx, server, conn, s, s.Begin())
}

// Open makes the connection of a hop.
func Open(ctx context.Context, server *dial.Server, network string, to *session.Hop) (net.Conn, error) {
	l, err := server.Dial(ctx, network, to.Addr)
	if err != nil {
		return nil, err
	}
	if network == "udp" {
		return &datagrams{l, server.Header(l, to.Addr)}, nil
	}
	if to.TLS == nil {
		return l, nil
	}
	conn, _, err := server.Secure(l, to.TLS)
	return conn, err
}

// Drive drives a session from a step on over a connection, which it closes, and
// over those that it goes on to. The first may be nil if step goes on to one.
func Drive(ctx context.Context, server *dial.Server, conn net.Conn, s session.Session, step session.Step) error {
	d := &talker{ctx: ctx, conn: conn, session: s, server: server}
	ended := false
	defer func() {
		if d.conn != nil {
			_ = d.conn.Close()
		}
		if !ended { // it panics
			session.GiveBack(s)
		}
	}()
	err := d.drive(step)
	ended = true
	return err
}

// A talker drives one session by blocking calls.
type talker struct {
	ctx     context.Context
	conn    net.Conn // nil if none could be made
	session session.Session
	server  *dial.Server
	until   string
	buf     []byte
}

func (d *talker) drive(step session.Step) error {
	for {
		if step.Until != "" {
			d.until = step.Until
		}
		if step.Next != nil {
			if err := d.goOn(step.Next); err != nil {
				return d.session.End(err)
			}
		}
		if err := d.send(step); err != nil {
			return d.session.End(err)
		}
		switch {
		case step.Done:
			return step.Err
		case step.Rest != nil:
			return step.Rest(d.ctx, d.conn)
		}
		var err error
		if step, err = d.receive(); err != nil {
			return d.session.End(err)
		}
	}
}

// goOn changes to another connection.
func (d *talker) goOn(to *session.Hop) (err error) {
	if d.conn != nil {
		_ = d.conn.Close()
	}
	d.conn = nil
	conn, err := Open(d.ctx, d.server, "tcp", to)
	if err == nil {
		d.conn = conn
	}
	return err
}

// send sends what a step wants to be sent. A real server may answer and close a
// stream before it is asked, so an error is no verdict. One of a datagram is.
func (d *talker) send(step session.Step) error {
	if len(step.Send) > 0 {
		_, err := d.conn.Write(step.Send)
		if _, ok := d.conn.(*datagrams); ok && err != nil {
			return &failure.Cause{Err: err, When: "while sending"}
		}
	}
	if c, ok := d.conn.(interface{ CloseWrite() error }); ok && step.CloseWrite {
		_ = c.CloseWrite()
	}
	return nil
}

// receive feeds the session with what arrives next.
func (d *talker) receive() (session.Step, error) {
	if d.buf == nil {
		d.buf = make([]byte, MaxPiece)
		if _, ok := d.conn.(*datagrams); ok {
			d.buf = make([]byte, MaxDatagram)
		}
	}
	n, err := d.conn.Read(d.buf)
	if err != nil && !errors.Is(err, io.EOF) {
		return session.Step{}, &failure.Cause{Err: err, When: d.until}
	}
	if err := d.ctx.Err(); err != nil {
		return session.Step{}, &failure.Cause{Err: err, When: d.until}
	}
	eof := err != nil
	step := d.session.Feed(d.buf[:n], eof)
	if eof && !step.Done && step.Rest == nil && step.Next == nil {
		return session.Step{}, &failure.Cause{Err: io.EOF, When: d.until}
	}
	return step, nil
}

// datagrams are a connection over UDP, where each datagram begins with the
// header that the real server wants.
type datagrams struct {
	net.Conn
	header []byte
}

// Write sends one datagram.
func (d *datagrams) Write(b []byte) (int, error) {
	if len(d.header) == 0 {
		return d.Conn.Write(b)
	}
	n, err := d.Conn.Write(append(slices.Clip(d.header), b...))
	return max(0, n-len(d.header)), err
}
