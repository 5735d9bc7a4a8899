package http1

import (
	"bytes"
	"strconv"
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
	location  []byte    // where a redirect leads
	lengths   [2]uint64 // the first different ones
	nLengths  int
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

var chunked, comma, plus, colon = []byte("chunked"), []byte(","), []byte("+"), []byte(":")

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
		for v := range bytes.SplitSeq(f.value, comma) {
			f.length(bytes.TrimPrefix(bytes.TrimSpace(v), plus))
		}
	case transferEncoding:
		if f.isChunked = true; !f.isBad && !bytes.EqualFold(f.value, chunked) {
			f.isBad, f.badCoding = true, string(f.value)
		}
	}
	f.last = none
}

func (f *fields) length(digits []byte) {
	n, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil || f.nLengths > 0 && f.lengths[0] == n || f.nLengths > 1 {
		return
	}
	f.lengths[f.nLengths] = n
	f.nLengths++
}
