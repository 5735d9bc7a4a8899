package checks

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// A measured reads a part of an answer whose length is known.
type measured struct {
	in   *bufio.Reader
	left int64
}

// Read implements io.Reader. An answer that is cut has an unexpected end.
func (m *measured) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n, err := m.in.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	if errors.Is(err, io.EOF) && m.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// A chunked reads a body in chunks (RFC 9112 section 7.1), whose lines may end
// without a carriage return.
type chunked struct {
	in    *bufio.Reader
	chunk measured
	begun bool
	err   error
}

// Read implements io.Reader.
func (c *chunked) Read(p []byte) (int, error) {
	for c.err == nil && c.chunk.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.chunk.Read(p)
	c.err = err
	return n, err
}

// next reads up to the data of the next chunk, or behind the last one.
func (c *chunked) next() error {
	if c.begun {
		if line, err := readLine(c.in); err != nil || line != "" {
			return unexpected(err, line)
		}
	}
	c.begun = true
	line, err := readLine(c.in)
	if err != nil {
		return unexpected(err, line)
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 63)
	if err != nil {
		return malformed(line)
	}
	if n > 0 {
		c.chunk = measured{in: c.in, left: int64(n)}
		return nil
	}
	for line != "" && err == nil { // the trailer
		line, err = readLine(c.in)
	}
	return io.EOF // nothing is missing, whatever became of the trailer
}

// unexpected is why there is no chunk where one has to be.
func unexpected(err error, line string) error {
	switch {
	case err == nil:
		return malformed(line)
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
