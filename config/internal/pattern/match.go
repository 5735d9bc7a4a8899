package pattern

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"regexp/syntax"
)

const (
	// matchHead is how many bytes of a text are matched as a whole. Most texts
	// are shorter. A longer one never takes more than twice that in memory.
	matchHead = 64 << 10
	// matchAtOnce is how many steps a match may take that cannot be
	// interrupted, some tens of milliseconds.
	matchAtOnce = 1 << 21
	// matchNow is how many steps MatchNow takes at most, some milliseconds.
	matchNow = 1 << 17
	// matchSteps is how many are taken between two looks at the context.
	matchSteps = 1 << 16
)

// Match reports whether the pattern occurs in a text. It reads no more than
// necessary. An error of text counts as its end. Soon after ctx is done Match
// returns ctx's error, with any text and pattern.
func (p *Pattern) Match(ctx context.Context, text io.Reader) (bool, error) {
	mem := borrow()
	defer mem.giveBack()
	in := mem.reader(text, matchHead+len(p.prefix))
	head, err := in.Peek(matchHead)
	switch {
	case err == nil:
		return p.search(ctx, in)
	case p.whole:
		return bytes.Contains(head, p.prefix), nil
	case (len(head)+1)*p.steps <= matchAtOnce:
		return p.re.Match(mem.latin1(head)), nil
	}
	return p.search(ctx, in)
}

// MatchNow is Match for a text in memory, where it takes some milliseconds at
// most: decided is false where it may take more. It allocates nothing.
func (p *Pattern) MatchNow(text []byte) (matched, decided bool) {
	switch {
	case p.whole && len(text) <= matchHead:
		return bytes.Contains(text, p.prefix), true
	case !p.whole && (len(text)+1)*p.steps <= matchNow:
		mem := borrow()
		defer mem.giveBack()
		return p.re.Match(mem.latin1(text)), true
	}
	return false, false
}

// search is Match for a text or a pattern that may take long.
func (p *Pattern) search(ctx context.Context, in *bufio.Reader) (bool, error) {
	found, err := skipTo(ctx, in, p.prefix)
	if !found || p.whole {
		return found, err
	}
	r := &byteRunes{ctx: ctx, in: in, every: max(1, matchSteps/p.steps)}
	found = p.re.MatchReader(r)
	if r.err != nil { // the text was cut off by ctx
		return false, r.err
	}
	return found, nil
}

// skipTo reads in up to the first occurrence of literal and reports whether
// there is one. It has to fit into in's buffer.
func skipTo(ctx context.Context, in *bufio.Reader, literal []byte) (bool, error) {
	for len(literal) > 0 {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		_, end := in.Peek(len(literal))
		b, _ := in.Peek(in.Buffered()) // all of it is buffered
		at := bytes.Index(b, literal)
		switch {
		case at >= 0:
			_, err := in.Discard(at)
			return true, err
		case end != nil:
			return false, nil
		}
		if _, err := in.Discard(len(b) - len(literal) + 1); err != nil {
			return false, err
		}
	}
	return true, nil
}

// A byteRunes reads each byte as a character until its context is done.
type byteRunes struct {
	ctx         context.Context
	in          io.ByteReader
	every, left int // bytes between two looks at ctx, and until the next one
	err         error
}

// ReadRune implements io.RuneReader.
func (r *byteRunes) ReadRune() (rune, int, error) {
	if r.left--; r.left < 0 {
		r.left = r.every
		if r.err = r.ctx.Err(); r.err != nil {
			return 0, 0, r.err
		}
	}
	b, err := r.in.ReadByte()
	return rune(b), 1, err
}

// bytesOf returns the bytes whose characters s has, see latin1, and false if
// it has others.
func bytesOf(s string) ([]byte, bool) {
	var b []byte
	for _, r := range s {
		if r > 0xff {
			return nil, false
		}
		b = append(b, byte(r))
	}
	return b, true
}

// steps returns about how many instructions the program of a pattern has,
// without making it.
func steps(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		n = min(n+1+steps(sub), maxSteps+1)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpRepeat:
		return min(n*max(re.Min+1, re.Max), maxSteps+1)
	}
	return n
}
