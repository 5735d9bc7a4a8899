package checks

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/internal/services"
)

// whileMatching says that a check spent its time on its pattern.
const whileMatching = "while matching the answer with the pattern"

// maxPiece is how much of an answer a session is fed at once, in bytes.
const maxPiece = 16 << 10

// maxDatagram is how much of a datagram a session is fed, in bytes: all of it.
const maxDatagram = 64 << 10

// over returns the Func of the check of a service that makes one conversation
// over TCP, over TLS if the service speaks it, or over UDP where udp says so of a
// target. begin makes the session of a target.
func over(name string, udp func(*Target) bool, begin func(*Target) session.Session) Func {
	service, _ := services.Named(name)
	return func(ctx context.Context, target Target) error {
		return attempt(ctx, name, target.Addr.String(), func() error {
			network, hop := "tcp", session.Hop{Addr: target.Addr}
			if udp(&target) {
				network = "udp"
			}
			if service.TLS != services.NoTLS {
				hop.TLS = target.tlsConfig(name)
			}
			return target.talk(ctx, network, hop, begin(&target))
		})
	}
}

// talk makes the conversation of s, over a connection to first and those to
// which it leads.
func (t *Target) talk(ctx context.Context, network string, first session.Hop, s session.Session) error {
	conn, err := t.open(ctx, network, &first)
	if err != nil {
		return err
	}
	return t.drive(ctx, conn, s, s.Begin())
}

// open makes the connection of a hop.
func (t *Target) open(ctx context.Context, network string, to *session.Hop) (net.Conn, error) {
	l, err := t.dial(ctx, network, to.Addr)
	if err != nil {
		return nil, err
	}
	if network == "udp" {
		return &datagrams{l, t.header(l, to.Addr)}, nil
	}
	if to.TLS == nil {
		return l, nil
	}
	conn, _, err := t.secure(l, to.TLS)
	return conn, err
}

// drive drives a session from a step on over conn, which it closes, and over
// the connections that it goes on to. conn may be nil if step goes on to one.
func (t *Target) drive(ctx context.Context, conn net.Conn, s session.Session, step session.Step) error {
	d := &talker{ctx: ctx, conn: conn, session: s, target: t}
	defer func() {
		if d.conn != nil {
			_ = d.conn.Close()
		}
	}()
	return d.drive(step)
}

// A talker drives one session by blocking calls.
type talker struct {
	ctx     context.Context
	conn    net.Conn // nil if none could be made
	session session.Session
	target  *Target
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
	conn, err := d.target.open(d.ctx, "tcp", to)
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
		d.buf = make([]byte, maxPiece)
		if _, ok := d.conn.(*datagrams); ok {
			d.buf = make([]byte, maxDatagram)
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
