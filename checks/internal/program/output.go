package program

import (
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/quote"
)

// maxOutput is how much of a program's output is kept.
const maxOutput = 1 << 10

// An output keeps the beginning of what is written to it and takes the rest
// without complaint.
type output struct{ kept []byte }

// Write never fails.
func (o *output) Write(p []byte) (int, error) {
	o.kept = append(o.kept, p[:min(len(p), maxOutput-len(o.kept))]...)
	return len(p), nil
}

// explain returns what happened with the first line as the reason.
func (o *output) explain(what string) error {
	if line := o.line(); line != "" {
		what += ": " + line
	}
	return failure.Because(failure.Command, "%s", what)
}

// said returns what to say of the output of a program that did not end.
func (o *output) said() string {
	if line := o.line(); line != "" {
		return "having written " + strconv.Quote(line)
	}
	return ""
}

// line returns the first line kept that says something, without the bytes
// that would upset a status page.
func (o *output) line() string {
	for line := range strings.Lines(string(o.kept)) {
		if line = strings.TrimSpace(strings.Map(quote.Printable, line)); line != "" {
			return line
		}
	}
	return ""
}
