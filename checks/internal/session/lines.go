package session

import "bytes"

// Bounds of what a real server says in lines, in bytes.
const (
	// MaxLine is how much of a line is kept. The rest of it is passed over.
	MaxLine = 1 << 10
	// MaxLines is how long all lines of a conversation may be.
	MaxLines = 1 << 20
)

// Lines cuts what a real server sends into lines, whatever pieces it comes in.
// The zero value is ready.
type Lines struct {
	part []byte // of the line that has not ended, MaxLine at most
	size int    // of all lines
}

// Reset forgets the conversation.
func (l *Lines) Reset() { l.part, l.size = l.part[:0], 0 }

// Next takes the next line off b and returns it without its end, which is LF
// or CRLF. It is valid until the next call. Without a line that ends, and
// beyond MaxLines, it takes all of b and returns false.
func (l *Lines) Next(b *[]byte) (line []byte, ok bool) {
	piece, rest, ended := bytes.Cut(*b, []byte{'\n'})
	l.size += len(*b) - len(rest)
	if l.Over() {
		*b = nil
		return nil, false
	}
	*b = rest
	if !ended {
		l.part = append(l.part, l.fitting(piece)...)
		return nil, false
	}
	line = piece[:min(len(piece), MaxLine)]
	if len(l.part) > 0 {
		line = append(l.part, l.fitting(piece)...)
		l.part = line[:0]
	}
	return bytes.TrimSuffix(line, []byte{'\r'}), true
}

// Over reports whether there was more than MaxLines.
func (l *Lines) Over() bool { return l.size > MaxLines }

// fitting is what there is room for of piece.
func (l *Lines) fitting(piece []byte) []byte {
	return piece[:min(len(piece), MaxLine-len(l.part))]
}
