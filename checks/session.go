package checks

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// maxPiece is how much of an answer a session is fed at once, in bytes.
const maxPiece = 16 << 10

// converse drives a session over a connection that ends with ctx, and returns
// its verdict. Datagrams of more than maxPiece are cut.
func converse(ctx context.Context, conn net.Conn, s session.Session) error {
	buf := make([]byte, maxPiece)
	until := ""
	for step := s.Begin(); ; {
		if step.Until != "" {
			until = step.Until
		}
		send(conn, step)
		if step.Done {
			return step.Err
		}
		n, err := conn.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) {
			return s.End(&failure{err: err, when: until})
		}
		if ctx.Err() != nil {
			return s.End(&failure{err: ctx.Err(), when: until})
		}
		eof := err != nil
		if step = s.Feed(buf[:n], eof); eof && !step.Done {
			return s.End(&failure{err: io.EOF, when: until})
		}
	}
}

// send sends what a step wants to be sent. A real server may answer and close
// before it is asked, so an error is no verdict.
func send(conn net.Conn, step session.Step) {
	if len(step.Send) > 0 {
		_, _ = conn.Write(step.Send)
	}
	if c, ok := conn.(interface{ CloseWrite() error }); ok && step.CloseWrite {
		_ = c.CloseWrite()
	}
}

// over returns the Func of a check that makes one conversation over TCP, or
// over UDP where udp says so of a target. begin makes the session of a target.
func over(name string, udp func(*Target) bool, begin func(*Target) session.Session) Func {
	return func(ctx context.Context, target Target) error {
		return attempt(ctx, name, target.Addr.String(), func() error {
			network := "tcp"
			if udp(&target) {
				network = "udp"
			}
			l, err := target.dial(ctx, network, target.Addr)
			if err != nil {
				return err
			}
			defer l.Close()
			return converse(ctx, l.Conn, begin(&target))
		})
	}
}
