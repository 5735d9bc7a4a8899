package http1

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// A state is the part of an answer that comes next.
type state uint8

const (
	start      state = iota // blank lines, or the first bytes
	statusLine              // the rest of it
	fieldLines              // up to a blank one
	chunkSize               // the line with the size of a chunk
	chunkData               // a chunk
	chunkEnd                // the line end behind a chunk
	trailer                 // lines behind the last chunk
	measured                // a body whose length is known
	unmeasured              // a body that ends with the connection
	finished                // nothing
)

// An Answer is an answer as far as it has come. The zero value is one to a
// GET of which nothing has come. It allocates nothing for an answer of the
// usual kind.
type Answer struct {
	// Status is that of the status line, 200 if there is none: then Bare is
	// true. Both are settled once Head reports true.
	Status int
	Bare   bool
	// Good says whether the body of an answer with a status counts; those of
	// others are not read. nil is true for 2xx. It stays over a Reset.
	Good func(status int) bool

	forHead bool // it answers HEAD
	interim bool // another answer came before
	state   state
	header  int            // bytes of status line and headers so far
	left    uint64         // of the body or chunk
	line    session.Buffer // what there is of a line
	first   [len("HTTP/")]byte
	nFirst  int
	fields
}

// Reset makes a the answer to another request, to one of HEAD if head is true.
func (a *Answer) Reset(head bool) {
	a.Release()
	*a = Answer{Good: a.Good, forHead: head, fields: fields{location: a.location[:0], value: a.value[:0]}}
}

// Release gives back the memory that a has borrowed or that is large. Nothing
// but Reset may follow.
func (a *Answer) Release() {
	a.line.Release()
	a.badCoding = ""
	if cap(a.location)+cap(a.value) > maxKept {
		a.location, a.value = nil, nil
	}
}

// Head reports whether status line and headers are complete.
func (a *Answer) Head() bool { return a.state >= chunkSize }

func (a *Answer) good() bool {
	if a.Good != nil {
		return a.Good(a.Status)
	}
	return a.Status/100 == 2
}

// Finished reports whether the answer is complete: the rest is no part of it.
func (a *Answer) Finished() bool { return a.state == finished }

// Whole reports whether nothing is missing if the connection ends now.
func (a *Answer) Whole() bool {
	return a.state == finished || a.state == unmeasured || a.state == trailer
}

// Redirects reports whether the answer leads elsewhere, to Location.
func (a *Answer) Redirects() bool { return len(a.location) > 0 && Redirects(a.Status) }

// Redirects reports whether a status is that of a redirect.
func Redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// Location returns where a redirect leads.
func (a *Answer) Location() string { return string(a.location) }

// Feed reads the next piece of an answer up to the next part of its body. It
// returns how many bytes of b it has read, and that part, which is valid until
// b changes or the next call. Once an error was returned, or Finished reports
// true, Feed is not to be called again. An error before Head reports true is
// one of the headers, and an [*Error]; behind it one of the body.
func (a *Answer) Feed(b []byte) (n int, body []byte, err error) {
	for n < len(b) && len(body) == 0 && err == nil && a.state != finished {
		var read int
		if a.Head() {
			read, body, err = a.feedBody(b[n:])
		} else {
			read, body, err = a.feedHeader(b[n:])
		}
		n += read
	}
	return n, body, err
}

// EOF tells a that the connection has ended. It returns what is body by that:
// the first few bytes of an answer that has no more.
func (a *Answer) EOF() (body []byte, err error) {
	if a.state != start || a.nFirst == 0 || isStatus(a.first[:a.nFirst]) {
		return nil, nil
	}
	return a.first[:a.nFirst], a.bare()
}

func (a *Answer) feedHeader(b []byte) (n int, body []byte, err error) {
	b = b[:min(len(b), MaxHeader-a.header)]
	if a.state == start {
		n, body, err = a.feedStart(b)
	} else {
		n, err = a.feedLine(b)
	}
	a.header += n
	if a.header >= MaxHeader && !a.Head() && err == nil {
		err = wrong("headers of more than %d bytes", MaxHeader)
	}
	return n, body, err
}

// feedStart reads blank lines, and the bytes by which a status line is known.
func (a *Answer) feedStart(b []byte) (n int, body []byte, err error) {
	for a.nFirst == 0 && n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	if a.nFirst == 0 && len(b)-n >= len(a.first) { // they need no copy
		return n, nil, a.decide(b[n : n+len(a.first)])
	}
	read := copy(a.first[a.nFirst:], b[n:])
	n, a.nFirst = n+read, a.nFirst+read
	if a.nFirst < len(a.first) {
		return n, nil, nil
	}
	if err = a.decide(a.first[:]); a.state == statusLine {
		_, err = a.feedLine(a.first[:]) // of "ICY " and a newline it is all
		return n, nil, err
	}
	return n, a.first[:], err
}

// decide finds out whether there is a status line.
func (a *Answer) decide(first []byte) error {
	if isStatus(first) {
		a.state = statusLine
		return nil
	}
	return a.bare()
}

// keep keeps a part of a line. Of one that is longer than the headers together
// may be, which is a line between chunks, nobody reads the end.
func (a *Answer) keep(part []byte) error {
	if !a.line.Append(part) && len(a.line.Bytes())+len(part) <= session.MaxHeld {
		return session.ErrMemory
	}
	return nil
}

// isStatus reports whether a line that begins with first is a status line.
func isStatus(first []byte) bool {
	if string(first) == "HTTP/" {
		return true
	}
	word := strings.ToUpper(string(first))
	return word == "HTTP/" || strings.HasPrefix(word, "ICY ")
}

// bare says that there is no status line: the body has to speak for itself.
func (a *Answer) bare() error {
	if a.interim {
		return wrong("an interim answer without a final one")
	}
	a.Status, a.Bare, a.state = http.StatusOK, true, unmeasured
	return nil
}

// readLine reads up to the end of a line and returns it without that. The line
// is valid until a.line is released, which is up to the caller.
func (a *Answer) readLine(b []byte) (n int, line []byte, complete bool, err error) {
	n = bytes.IndexByte(b, '\n') + 1
	if n == 0 {
		return len(b), nil, false, a.keep(b)
	}
	if line = b[:n]; len(a.line.Bytes()) > 0 {
		err = a.keep(line)
		line = a.line.Bytes()
	}
	return n, bytes.TrimSuffix(bytes.TrimSuffix(line, newline), carriageReturn), err == nil, err
}

var newline, carriageReturn, semicolon = []byte("\n"), []byte("\r"), []byte(";")

// feedLine reads up to the end of a line of the headers.
func (a *Answer) feedLine(b []byte) (n int, err error) {
	n, line, complete, err := a.readLine(b)
	if complete {
		err = a.headerLine(line)
		a.line.Release()
	}
	return n, err
}

func (a *Answer) headerLine(line []byte) error {
	if a.state == statusLine {
		return a.readStatus(line)
	}
	if len(line) > 0 {
		a.readField(line)
		return nil
	}
	a.endField()
	if a.Status/100 == 1 && a.Status != http.StatusSwitchingProtocols {
		a.again()
		return nil
	}
	return a.begin()
}

func (a *Answer) readStatus(line []byte) error {
	i := 0
	for word := range bytes.FieldsSeq(line) {
		if i++; i == 2 && len(word) == 3 {
			a.Status, _ = strconv.Atoi(string(word))
		}
	}
	if a.Status < 100 {
		return Malformed(string(line))
	}
	a.state = fieldLines
	return nil
}

// again has another answer follow an interim one.
func (a *Answer) again() {
	a.reset()
	a.state, a.nFirst, a.Status, a.interim = start, 0, 0, true
}
