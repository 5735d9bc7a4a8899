package pattern

import (
	"bufio"
	"io"
	"slices"
	"sync"
	"unicode/utf8"
)

// A memory is what a match needs. It is used again: a check may match a million
// lines, and what each of them left to the collector would be held till then.
type memory struct {
	in   *bufio.Reader
	wide []byte // a text that is not in ASCII, see latin1
}

var memories = sync.Pool{New: func() any { return new(memory) }}

func borrow() *memory { return memories.Get().(*memory) }

func (m *memory) giveBack() {
	if m.in != nil {
		m.in.Reset(nil)
	}
	memories.Put(m)
}

// latin1 returns b with every byte made a character of its own, until the next
// call. ASCII, the usual case, is returned as it is.
func (m *memory) latin1(b []byte) []byte {
	high := 0
	for _, c := range b {
		if c >= utf8.RuneSelf {
			high++
		}
	}
	if high == 0 {
		return b
	}
	m.wide = slices.Grow(m.wide[:0], len(b)+high)
	for _, c := range b {
		m.wide = utf8.AppendRune(m.wide, rune(c))
	}
	return m.wide
}

// reader returns a reader of r with a buffer of size bytes or more.
func (m *memory) reader(r io.Reader, size int) *bufio.Reader {
	if m.in == nil || m.in.Size() < size {
		m.in = bufio.NewReaderSize(r, size)
	}
	m.in.Reset(r)
	return m.in
}
