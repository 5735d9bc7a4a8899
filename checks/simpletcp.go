package checks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
)

var errNoAnswer = because(Closed, "connection closed without an answer")

const untilLine = "while waiting for a line that matches"

// SimpleTCP sends target.Request without its leading slash, the two
// characters \n standing for a newline and nothing else for anything else,
// and then closes its sending direction. A request that is empty then sends
// nothing.
//
// The check succeeds with the first line of the answer that target.Receive
// matches. A line is matched with its newline; the last one may have none
// once the server has closed. Without Receive any answer will do, be it a
// single byte (ldirectord never succeeds then if the request has a \n: a
// defect). No answer at all is a failure.
//
// With target.UDP the request is one datagram, the sending direction stays as
// it is and each datagram of the answer ends with a line of its own.
func SimpleTCP(ctx context.Context, target Target) error {
	return attempt(ctx, "simpletcp", target.Addr.String(), func() error {
		if target.UDP {
			return overUDP(ctx, target)
		}
		return overTCP(ctx, target)
	})
}

func overTCP(ctx context.Context, target Target) error {
	conn, err := target.dial(ctx, "tcp", target.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A server may answer and close before it is asked. So a request that
	// cannot be sent is no verdict; the answer is, or the want of one.
	_, _ = io.WriteString(conn, payload(target.Request))
	_ = conn.Conn.(*net.TCPConn).CloseWrite()
	return findLine(ctx, io.LimitReader(conn, MaxAnswer), target.Receive)
}

func overUDP(ctx context.Context, target Target) error {
	conn, err := target.dial(ctx, "udp", target.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if request := payload(target.Request); request != "" {
		if _, err := conn.Write(append(target.header(conn, target.Addr), request...)); err != nil {
			return &failure{err: err, when: "while sending"}
		}
	}
	datagram := make([]byte, 1<<16)
	for {
		n, err := conn.Read(datagram)
		if err != nil {
			return &failure{err: err, when: untilLine}
		}
		if findLine(ctx, bytes.NewReader(datagram[:n]), target.Receive) == nil {
			return nil
		}
	}
}

// payload is what a request stands for.
func payload(request string) string {
	return strings.ReplaceAll(strings.TrimPrefix(request, "/"), `\n`, "\n")
}

// findLine reads r until a line matches or, if there is nothing to match, a
// byte has come.
func findLine(ctx context.Context, r io.Reader, want Matcher) error {
	lines := bufio.NewReader(r)
	if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
		return errNoAnswer
	} else if err != nil {
		return &failure{err: err, when: "while waiting for an answer"}
	}
	if want == nil {
		return nil
	}
	for {
		line, err := lines.ReadBytes('\n')
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return &failure{err: err, when: untilLine}
		}
		found, err := want.Match(ctx, bytes.NewReader(line))
		if err == nil && !found {
			err = ctx.Err() // there may be a million lines
		}
		if err != nil {
			return &failure{err: err, when: whileMatching}
		}
		if found && len(line) > 0 {
			return nil
		}
		if end {
			return because(Mismatch, "no line of the answer matches %q", want)
		}
	}
}
