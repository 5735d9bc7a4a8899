package checks

import (
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
)

// headSize is how much of a program's output is kept.
const headSize = 1 << 10

// A head keeps the beginning of what is written to it and takes the rest
// without complaint.
type head struct{ kept []byte }

// Write never fails.
func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), headSize-len(h.kept))]...)
	return len(p), nil
}

// explain returns what happened with the first line as the reason.
func (h *head) explain(what string) error {
	if line := h.line(); line != "" {
		what += ": " + line
	}
	return failure.Because(Command, "%s", what)
}

// said returns what to say of the output of a program that did not end.
func (h *head) said() string {
	if line := h.line(); line != "" {
		return "having written " + strconv.Quote(line)
	}
	return ""
}

// line returns the first line kept that says something, without the bytes
// that would upset a status page.
func (h *head) line() string {
	for line := range strings.Lines(string(h.kept)) {
		if line = strings.TrimSpace(strings.Map(quote.Printable, line)); line != "" {
			return line
		}
	}
	return ""
}
