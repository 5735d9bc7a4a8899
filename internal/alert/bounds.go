package alert

import (
	"bytes"
	"errors"
	"net"
	"net/textproto"
	"strings"
)

// What a relay says is somebody else's choice; how much of it is heard is not.
const (
	// maxSession is how many bytes of a session are read, beside maxReply for
	// each recipient, which is the longest line of RFC 5321, section 4.5.3.1.5.
	maxSession = 16 << 10
	maxReply   = 512
	// maxLine is how many bytes one line may have: some relays have more to say
	// than the RFC allows.
	maxLine = 2 << 10
	// maxTLS is how many bytes are read of TLS, with all that is said by it.
	maxTLS = 64 << 10
	// maxWords is how many bytes of one reply are reported.
	maxWords = 256
)

// errTooMuch is what a session with a relay ends with that says more.
var errTooMuch = errors.New("the relay says more than a relay has to say")

// A capped reads no more than is left from a connection.
type capped struct {
	net.Conn
	left  int
	lines bool   // no line is longer than maxLine
	line  int    // bytes of the one that is being read
	first string // what is read before anything else
}

func (c *capped) Read(b []byte) (int, error) {
	if c.first != "" {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	if c.left == 0 || c.lines && c.line > maxLine {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	if end := bytes.LastIndexByte(b[:n], '\n'); end >= 0 {
		c.line = n - end - 1
	} else {
		c.line += n
	}
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
