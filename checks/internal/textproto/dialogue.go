// Package textproto has conversations of commands and lines, as mail and news have
// them, and reads replies with codes.
package textproto

import (
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// UntilGreeting says that a check waited for the first line.
const UntilGreeting = "while waiting for the greeting"

// A Dialogue is a session of commands and lines, as mail and news have it. A
// protocol embeds it, sets its Speaker to itself and has the conversation.
type Dialogue struct {
	Speaker Speaker
	lines   session.Lines
	// The next step: what is said, what is waited for, and the verdict.
	said    []byte
	until   string
	done    bool
	verdict error
	// Parting: the verdict is that the real server is well. It has to end the
	// conversation now, in whatever words; a connection that ends will do.
	Parting bool
}

// A Speaker is the protocol of a dialogue.
type Speaker interface {
	// Start begins a conversation.
	Start()
	// Line is told the next line, without its end and no longer than
	// session.MaxLine.
	Line(line []byte)
}

// Begin implements session.Session.
func (d *Dialogue) Begin() session.Step {
	d.lines.Reset()
	d.begin()
	d.Parting = false
	d.Speaker.Start()
	return d.next()
}

// Feed implements session.Session.
func (d *Dialogue) Feed(b []byte, eof bool) session.Step {
	d.begin()
	for !d.done {
		line, ok := d.lines.Next(&b)
		if !ok {
			break
		}
		d.Speaker.Line(line)
	}
	switch {
	case d.done:
	case d.lines.Over():
		d.Finish(ErrTooLong)
	case eof && d.Parting:
		d.Finish(nil)
	}
	return d.next()
}

// End implements session.Session.
func (d *Dialogue) End(cause error) error {
	if d.Parting && failure.KindOf(cause) == failure.Closed {
		return nil
	}
	return cause
}

func (d *Dialogue) begin() { d.said, d.until, d.done, d.verdict = d.said[:0], "", false, nil }

func (d *Dialogue) next() session.Step {
	return session.Step{Send: d.said, Until: d.until, Done: d.done, Err: d.verdict}
}

// Await says for what the conversation waits.
func (d *Dialogue) Await(until string) { d.until = until }

// Say sends a command, its arguments behind blanks, and then waits for the answer.
func (d *Dialogue) Say(until, command string, arguments ...string) {
	d.said = append(d.said, command...)
	for _, a := range arguments {
		d.said = append(append(d.said, ' '), a...)
	}
	d.said = append(d.said, "\r\n"...)
	d.until = until
}

// Finish ends the conversation with its verdict.
func (d *Dialogue) Finish(verdict error) { d.done, d.verdict = true, verdict }

// ErrTooLong is the verdict about an answer that goes on.
var ErrTooLong = failure.Because(failure.Protocol, "the answer has more than %d bytes", session.MaxLines)
