package httpget

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// rest has the answer read and matched where that may take its time. part of the
// body comes behind what is held, raw is not read yet, and with eof nothing comes
// after that.
func (s *Session) rest(part, raw []byte, eof bool) session.Step {
	r := &bodyReader{s: s, read: slices.Concat(s.held.Bytes(), part), raw: slices.Clone(raw), eof: eof}
	s.held.Release()
	return session.Step{Rest: func(ctx context.Context, conn io.Reader) error {
		r.conn = conn
		return s.done(s.matchRest(ctx, r)).Err
	}}
}

func (s *Session) matchRest(ctx context.Context, r *bodyReader) (err error) {
	if s.matched, err = s.receive.Match(ctx, r); err != nil {
		return match.Interrupted(err)
	}
	_, _ = io.Copy(io.Discard, r) // its error is in s.cut
	return s.verdict()
}

// A bodyReader reads the body of an answer up to its bounds.
type bodyReader struct {
	s    *Session
	conn io.Reader
	read []byte // of the body
	raw  []byte // of the answer, behind that
	eof  bool
	buf  []byte
}

// Read implements io.Reader. An answer that is cut ends with the reason, which
// is in s.cut as well.
func (r *bodyReader) Read(p []byte) (int, error) {
	for len(r.read) == 0 {
		switch s := r.s; {
		case s.complete():
			if s.cut != nil {
				return 0, s.cut
			}
			return 0, io.EOF
		case len(r.raw) > 0:
			r.decode()
		case r.eof:
			if s.cut = io.EOF; !s.answer.Whole() {
				s.cut = io.ErrUnexpectedEOF
			}
		default:
			r.receive()
		}
	}
	n := copy(p, r.read)
	r.read = r.read[n:]
	return n, nil
}

func (r *bodyReader) decode() {
	n, part, err := r.s.answer.Feed(r.raw)
	r.s.raw += int64(n)
	r.raw, r.read = r.raw[n:], r.s.bound(part)
	if err != nil && r.s.cut == nil {
		r.s.cut = err
	}
}

func (r *bodyReader) receive() {
	if r.buf == nil {
		r.buf = make([]byte, blocking.MaxPiece)
	}
	n, err := r.conn.Read(r.buf)
	r.raw = r.buf[:n]
	if r.eof = errors.Is(err, io.EOF); err != nil && !r.eof {
		r.s.cut = err
	}
}
