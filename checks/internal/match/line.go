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

// LineAtOnce is how much of a line is matched in memory, in bytes.
const LineAtOnce = 64 << 10

// Line reads until a line matches or, if there is nothing to match, a byte
// has come. It leaves nothing to the collector for a line that lines has room
// for: there may be a million.
func Line(ctx context.Context, lines *bufio.Reader, want Matcher) error {
	if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
		return ErrNoAnswer
	} else if err != nil {
		return &failure.Cause{Err: err, When: "while waiting for an answer"}
	}
	if want == nil {
		return nil
	}
	for {
		found, end, err := matchLine(ctx, lines, want)
		switch {
		case found || err != nil:
			return err
		case end:
			return failure.Because(failure.Mismatch, "no line of the answer matches %q", want)
		}
	}
}

// matchLine takes the next line and reports whether it matches, and whether
// there is no other.
func matchLine(ctx context.Context, lines *bufio.Reader, want Matcher) (found, end bool, err error) {
	line, err := peekLine(lines)
	end = errors.Is(err, io.EOF)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return matchLong(ctx, lines, want)
	case err != nil && !end:
		return false, false, &failure.Cause{Err: err, When: UntilLine}
	case len(line) == 0:
		return false, true, nil
	}
	found, decided := Now(want, line)
	if err = ctx.Err(); !decided {
		found, err = want.Match(ctx, bytes.NewReader(line))
	}
	_, _ = lines.Discard(len(line)) // which is there
	if err != nil && !found {
		return false, end, Interrupted(err)
	}
	return found, end, nil
}

// peekLine returns the next line, with its newline, and does not take it. An
// error of io.EOF comes with all that is left, and bufio.ErrBufferFull is that
// of a line for which there is no room.
func peekLine(lines *bufio.Reader) ([]byte, error) {
	for seen := 0; ; {
		b, _ := lines.Peek(lines.Buffered())
		if i := bytes.IndexByte(b[seen:], '\n'); i >= 0 {
			return b[:seen+i+1], nil
		}
		if seen = len(b); seen == lines.Size() {
			return nil, bufio.ErrBufferFull
		}
		if b, err := lines.Peek(seen + 1); err != nil {
			return b, err
		}
	}
}

// matchLong is matchLine for a line of any length.
func matchLong(ctx context.Context, lines *bufio.Reader, want Matcher) (found, end bool, err error) {
	line := lineReader{r: lines}
	found, err = want.Match(ctx, &line)
	if err == nil {
		_, _ = io.Copy(io.Discard, &line) // it counts when it is there; its error is kept
		err = ctx.Err()
	}
	end = errors.Is(line.err, io.EOF)
	switch {
	case line.err != nil && !end:
		return false, false, &failure.Cause{Err: line.err, When: UntilLine}
	case err != nil && !found:
		return false, end, Interrupted(err)
	}
	return found, end, nil
}

// A lineReader reads one line of an answer, with its newline, and holds none of
// it.
type lineReader struct {
	r     *bufio.Reader
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
	return l.r.Discard(copy(p, b))
}
