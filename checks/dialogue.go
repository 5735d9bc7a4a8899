package checks

import (
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// A dialogue is a session of commands and lines, as mail and news have it. A
// protocol embeds it, sets its speaker to itself and has the conversation.
type dialogue struct {
	speaker speaker
	lines   session.Lines
	step    session.Step // the next one; Send is said
	said    []byte
	// parting: the verdict is that the real server is well. It has to end the
	// conversation now, in whatever words; a connection that ends will do.
	parting bool
}

// A speaker is the protocol of a dialogue.
type speaker interface {
	// begin begins a conversation.
	begin()
	// line is told the next line, without its end and no longer than
	// session.MaxLine.
	line(line []byte)
}

// Begin implements session.Session.
func (d *dialogue) Begin() session.Step {
	d.lines.Reset()
	d.step, d.said, d.parting = session.Step{}, d.said[:0], false
	d.speaker.begin()
	return d.next()
}

// Feed implements session.Session.
func (d *dialogue) Feed(b []byte, eof bool) session.Step {
	d.step, d.said = session.Step{}, d.said[:0]
	for !d.step.Done {
		line, ok := d.lines.Next(&b)
		if !ok {
			break
		}
		d.speaker.line(line)
	}
	switch {
	case d.step.Done:
	case d.lines.Over():
		d.end(errTooLong)
	case eof && d.parting:
		d.end(nil)
	}
	return d.next()
}

// End implements session.Session.
func (d *dialogue) End(cause error) error {
	if d.parting && failure.KindOf(cause) == Closed {
		return nil
	}
	return cause
}

func (d *dialogue) next() session.Step {
	d.step.Send = d.said
	return d.step
}

// say sends a command of some parts and then waits for its answer.
func (d *dialogue) say(until string, parts ...string) {
	for _, part := range parts {
		d.said = append(d.said, part...)
	}
	d.said = append(d.said, "\r\n"...)
	d.step.Until = until
}

// end ends the conversation with its verdict.
func (d *dialogue) end(verdict error) { d.step.Done, d.step.Err = true, verdict }

var errTooLong = failure.Because(Protocol, "the answer has more than %d bytes", session.MaxLines)
