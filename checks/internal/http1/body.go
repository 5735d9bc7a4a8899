package http1

import (
	"bytes"
	"net/http"
	"strconv"
)

// begin finds out how the body goes.
func (a *Answer) begin() error {
	none := !a.good() || a.forHead || a.Status == http.StatusNoContent || a.Status == http.StatusNotModified
	switch {
	case none:
		a.state = finished
	case a.isBad:
		return wrong("transfer coding %q is not supported", short(a.badCoding))
	case a.isChunked:
		a.state = chunkSize
	case !a.hasLength:
		a.state = unmeasured
	case a.length == 0:
		a.state = finished
	default:
		a.state, a.left = measured, a.length
	}
	return nil
}

func (a *Answer) feedBody(b []byte) (n int, body []byte, err error) {
	switch a.state {
	case unmeasured:
		return len(b), b, nil
	case measured, chunkData:
		n = int(min(uint64(len(b)), a.left))
		a.left -= uint64(n)
		if a.left == 0 && a.state == measured {
			a.state = finished
		} else if a.left == 0 {
			a.state = chunkEnd
		}
		return n, b[:n], nil
	}
	n, line, complete, err := a.readLine(b)
	if complete {
		err = a.chunkLine(line)
		a.line.Release()
	}
	return n, nil, err
}

// chunkLine reads a line between chunks (RFC 9112 section 7.1).
func (a *Answer) chunkLine(line []byte) error {
	switch a.state {
	case chunkEnd:
		if len(line) > 0 {
			return Malformed(string(line))
		}
		a.state = chunkSize
	case chunkSize:
		size, _, _ := bytes.Cut(line, semicolon)
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 63)
		if err != nil {
			return Malformed(string(line))
		}
		if a.state, a.left = chunkData, n; n == 0 {
			a.state = trailer
		}
	case trailer:
		if len(line) == 0 {
			a.state = finished
		}
	}
	return nil
}
