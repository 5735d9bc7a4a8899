package http1

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxKept is how much memory an Answer keeps for the next one, in bytes.
const maxKept = 1 << 10

// A name is a header that a check has use for.
type name uint8

const (
	none name = iota
	location
	contentLength
	transferEncoding
)

// fields are what counts of the headers of an answer.
type fields struct {
	location  []byte // where a redirect leads
	length    uint64 // of the body, the last that was said
	hasLength bool
	isChunked bool
	isBad     bool   // a transfer coding is not chunked
	badCoding string // the first such

	// A field may go on in the next line.
	last  name
	value []byte
}

func (f *fields) reset() { *f = fields{location: f.location[:0], value: f.value[:0]} }

// readField reads a line that is not blank. A line that is no field, or one that
// a check has no use for, is passed over.
func (f *fields) readField(line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		if f.last != none {
			f.value = append(append(f.value, ' '), bytes.TrimSpace(line)...)
			f.value = append(f.value[:0], bytes.TrimSpace(f.value)...)
		}
		return
	}
	f.endField()
	before, after, found := bytes.Cut(line, colon)
	if !found {
		return
	}
	if f.last = nameOf(bytes.TrimSpace(before)); f.last != none {
		f.value = append(f.value[:0], bytes.TrimSpace(after)...)
	}
}

var chunked, colon = []byte("chunked"), []byte(":")

func nameOf(b []byte) name {
	for _, n := range [...]struct {
		name name
		text string
	}{{location, "location"}, {contentLength, "content-length"}, {transferEncoding, "transfer-encoding"}} {
		if equal(b, n.text) {
			return n.name
		}
	}
	return none
}

// equal reports whether b in lower case is text, which is ASCII.
func equal(b []byte, text string) bool {
	if len(b) < len(text) {
		return false
	}
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return strings.ToLower(string(b)) == text
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if i >= len(text) || c != text[i] {
			return false
		}
	}
	return true
}

// endField takes the value of the last field over, which is complete.
func (f *fields) endField() {
	switch f.last {
	case location:
		if len(f.location) == 0 {
			f.location = append(f.location, f.value...)
		}
	case contentLength:
		if n, ok := parseLength(f.value); ok {
			f.length, f.hasLength = n, true
		}
	case transferEncoding:
		if f.isChunked = true; !f.isBad && !bytes.EqualFold(f.value, chunked) {
			f.isBad, f.badCoding = true, string(f.value)
		}
	}
	f.last = none
}

// maxDigits is how many digits the length of a body has at the most, to
// ldirectord's library.
const maxDigits = 15

// parseLength reads what a Content-Length says, and false where it is no number:
// it then counts for nothing, and of several the last counts, as in
// ldirectord's library.
func parseLength(value []byte) (n uint64, ok bool) {
	if end := bytes.IndexAny(value, " \t\v\f"); end >= 0 {
		value = value[:end]
	}
	if len(value) == 0 || len(value) > maxDigits {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}
