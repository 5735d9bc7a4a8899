package alert

import (
	"bytes"
	"errors"
	"net"
	"net/textproto"
	"strings"
)

// Bounds of what is read from a relay, which chooses how much it sends.
const (
	// maxSession is how many bytes of a session are read, beside maxReply for
	// each recipient, which is the longest line of RFC 5321, section 4.5.3.1.5.
	maxSession = 16 << 10
	maxReply   = 512
	// maxLine is how many bytes one line may have: some relays have more to say
	// than the RFC allows.
	maxLine = 2 << 10
	// maxLines is how many lines a session may have, beside one for each recipient.
	maxLines = 256
	// maxTLS is how many bytes are read of TLS, with all that is said by it.
	maxTLS = 64 << 10
	// maxWords is how many bytes of one reply are reported.
	maxWords = 256
)

// errTooMuch is what a session with a relay ends with that says more.
var errTooMuch = errors.New("the relay says more than a relay has to say")

// A capped reads no more lines than are left, and bytes, from a connection.
type capped struct {
	limited
	lines int    // that are left
	line  int    // bytes of the one that is being read
	first string // what is read before anything else
}

// spoken is what a relay says on conn about mail for so many recipients.
func spoken(conn net.Conn, recipients int) *capped {
	return &capped{limited: limited{conn, maxSession + recipients*maxReply}, lines: maxLines + recipients}
}

func (c *capped) Read(b []byte) (int, error) {
	if c.first != "" {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	if c.lines <= 0 || c.line > maxLine {
		return 0, errTooMuch
	}
	n, err := c.limited.Read(b)
	if end := bytes.LastIndexByte(b[:n], '\n'); end >= 0 {
		c.line = n - end - 1
		c.lines -= bytes.Count(b[:n], []byte("\n"))
	} else {
		c.line += n
	}
	return n, err
}

// A limited reads no more bytes than are left from a connection.
type limited struct {
	net.Conn
	left int
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left == 0 {
		return 0, errTooMuch
	}
	n, err := l.Conn.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// brief is err with no more of a relay's words than fit into a log line, and
// with the code by which the relay refuses.
func brief(err error) error {
	text := err.Error()
	if len(text) <= maxWords {
		return err
	}
	text = strings.ToValidUTF8(text[:maxWords], "") + "..."
	if said, ok := errors.AsType[*textproto.Error](err); ok {
		return &briefed{text: text, said: &textproto.Error{Code: said.Code}}
	}
	return errors.New(text)
}

// briefed is what is left of a long reply.
type briefed struct {
	text string
	said *textproto.Error
}

func (b *briefed) Error() string { return b.text }
func (b *briefed) Unwrap() error { return b.said }
