package checks

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A header is what counts of an answer's status line and headers.
type header struct {
	status   int
	bare     bool     // there is none: all of the answer is its body
	location string   // where a redirect leads
	lengths  []string // what is said about the length of the body
	codings  []string // and about its coding
}

// read reads up to the body of the first answer that is final (RFC 9110
// section 15.2).
func (h *header) read(in *bufio.Reader) error {
	for {
		interim := h.status != 0
		*h = header{}
		switch err := h.readStatus(in); {
		case err == nil && h.bare && interim:
			return because(Protocol, "an interim answer without a final one")
		case err != nil || h.bare:
			return err
		}
		if err := h.readFields(in); err != nil {
			return err
		}
		if h.status/100 != 1 || h.status == http.StatusSwitchingProtocols {
			return nil
		}
	}
}

// readStatus reads the status line, if there is one. An answer without one is
// a good one, for which its body has to speak.
func (h *header) readStatus(in *bufio.Reader) error {
	for {
		start, err := in.Peek(len("HTTP/"))
		if len(start) == 0 || err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if start[0] != '\r' && start[0] != '\n' {
			break
		}
		_, _ = in.Discard(1) // which is there
	}
	start, _ := in.Peek(len("HTTP/"))
	if word := strings.ToUpper(string(start)); word != "HTTP/" && !strings.HasPrefix(word, "ICY ") {
		h.status, h.bare = http.StatusOK, true
		return nil
	}
	line, err := readLine(in)
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	if len(words) > 1 && len(words[1]) == 3 {
		h.status, _ = strconv.Atoi(words[1])
	}
	if h.status < 100 {
		return malformed(line)
	}
	return nil
}

// readFields reads what follows up to a blank line. A line that is no field, or
// one that a check has no use for, is passed over.
func (h *header) readFields(in *bufio.Reader) error {
	none := new(string)
	last := none // where a line that continues the one before belongs
	for {
		line, err := readLine(in)
		if err != nil || line == "" {
			return err
		}
		if line[0] == ' ' || line[0] == '\t' {
			*last = strings.TrimSpace(*last + " " + strings.TrimSpace(line))
			continue
		}
		last = none
		name, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		last = h.field(strings.ToLower(strings.TrimSpace(name)), none)
		*last = strings.TrimSpace(value)
	}
}

// field returns where the value of the field of a name goes.
func (h *header) field(name string, none *string) *string {
	switch {
	case name == "location" && h.location == "":
		return &h.location
	case name == "content-length":
		h.lengths = append(h.lengths, "")
		return &h.lengths[len(h.lengths)-1]
	case name == "transfer-encoding":
		h.codings = append(h.codings, "")
		return &h.codings[len(h.codings)-1]
	}
	return none
}

// length returns how long the body is said to be, and false if it ends with
// the connection.
func (h *header) length() (int64, bool, error) {
	var all []int64
	for v := range strings.SplitSeq(strings.Join(h.lengths, ","), ",") {
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(v), "+"), 10, 63)
		if err == nil && !slices.Contains(all, int64(n)) {
			all = append(all, int64(n))
		}
	}
	switch len(all) {
	case 0:
		return 0, false, nil
	case 1:
		return all[0], true, nil
	}
	return 0, false, because(Protocol, "contradictory Content-Length: %d and %d", all[0], all[1])
}

// body returns the body of an answer to a GET or HEAD request.
func (h *header) body(in *bufio.Reader, head bool) (io.Reader, error) {
	if head || h.status == http.StatusNoContent {
		return strings.NewReader(""), nil
	}
	for _, coding := range h.codings {
		if !strings.EqualFold(coding, "chunked") {
			return nil, because(Protocol, "transfer coding %q is not supported", short(coding))
		}
	}
	if len(h.codings) > 0 {
		return &chunked{in: in}, nil
	}
	n, known, err := h.length()
	if err != nil || !known {
		return in, err
	}
	return &measured{in: in, left: n}, nil
}

// readLine returns a line without its end. Text without one is not a line.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func malformed(line string) error {
	return because(Protocol, "malformed HTTP response %q", short(line))
}
