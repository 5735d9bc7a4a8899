// Package textproto has conversations of commands and lines, as mail and news have
// them, and reads replies with codes.
package textproto

import (
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// A Dialogue is a session of commands and lines, as mail and news have it. A
// protocol embeds it, sets its Speaker to itself and has the conversation.
type Dialogue struct {
	Speaker Speaker
	lines   session.Lines
	step    session.Step // the next one; Send is said
	said    []byte
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
	d.step, d.said, d.Parting = session.Step{}, d.said[:0], false
	d.Speaker.Start()
	return d.next()
}

// Feed implements session.Session.
func (d *Dialogue) Feed(b []byte, eof bool) session.Step {
	d.step, d.said = session.Step{}, d.said[:0]
	for !d.step.Done {
		line, ok := d.lines.Next(&b)
		if !ok {
			break
		}
		d.Speaker.Line(line)
	}
	switch {
	case d.step.Done:
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

func (d *Dialogue) next() session.Step {
	d.step.Send = d.said
	return d.step
}

// Await says for what the conversation waits.
func (d *Dialogue) Await(until string) { d.step.Until = until }

// Say sends a command, its arguments behind blanks, and then waits for the answer.
func (d *Dialogue) Say(until, command string, arguments ...string) {
	d.said = append(d.said, command...)
	for _, a := range arguments {
		d.said = append(append(d.said, ' '), a...)
	}
	d.said = append(d.said, "\r\n"...)
	d.step.Until = until
}

// Finish ends the conversation with its verdict.
func (d *Dialogue) Finish(verdict error) { d.step.Done, d.step.Err = true, verdict }

// ErrTooLong is the verdict about an answer that goes on.
var ErrTooLong = failure.Because(failure.Protocol, "the answer has more than %d bytes", session.MaxLines)
