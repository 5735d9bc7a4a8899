package match

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// ErrNoAnswer is the verdict about a real server that closes without an answer.
var ErrNoAnswer = failure.Because(failure.Closed, "connection closed without an answer")

// UntilLine says that a check waited for a line that matches.
const UntilLine = "while waiting for a line that matches"

// Line reads r until a line matches or, if there is nothing to match, a
// byte has come.
func Line(ctx context.Context, r io.Reader, want Matcher) error {
	lines := bufio.NewReader(r)
	if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
		return ErrNoAnswer
	} else if err != nil {
		return &failure.Cause{Err: err, When: "while waiting for an answer"}
	}
	if want == nil {
		return nil
	}
	var line lineReader
	for {
		line = lineReader{r: lines}
		found, err := want.Match(ctx, &line)
		if err == nil {
			// The line counts when it is there, and there may be a million.
			_, _ = io.Copy(io.Discard, &line) // its error is kept
			err = ctx.Err()
		}
		end := errors.Is(line.err, io.EOF)
		switch {
		case line.err != nil && !end:
			return &failure.Cause{Err: line.err, When: UntilLine}
		case found && line.n > 0:
			return nil
		case err != nil:
			return Interrupted(err)
		case end:
			return failure.Because(failure.Mismatch, "no line of the answer matches %q", want)
		}
	}
}

// A lineReader reads one line of an answer, with its newline, and holds none of
// it.
type lineReader struct {
	r     *bufio.Reader
	n     int   // bytes that were read
	ended bool  // the newline has come, or err
	err   error // of r; io.EOF is its end
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.ended {
		return 0, io.EOF
	}
	if _, l.err = l.r.Peek(1); l.err != nil {
		l.ended = true
		return 0, io.EOF
	}
	b, _ := l.r.Peek(min(l.r.Buffered(), len(p)))
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b, l.ended = b[:i+1], true
	}
	n := copy(p, b)
	l.n += n
	return l.r.Discard(n)
}
