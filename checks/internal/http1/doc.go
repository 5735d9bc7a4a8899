// Package http1 reads answers of HTTP/1 (RFC 9112) and of what came before it,
// in whatever pieces they come, as leniently as health checks need: header
// lines that are not needed are passed over whatever is in them, lines may end
// without a carriage return, a Content-Length that is no number is none, two
// equal ones are one, and an answer without a status line is all body.
//
// The package imports nothing of the project but the buffers of sessions.
package http1

import (
	"fmt"
)

// MaxHeader bounds the status line and headers of an answer, in bytes.
const MaxHeader = 64 << 10

// maxReason is how many bytes of an answer an error shows.
const maxReason = 200

// An Error says what is wrong with an answer.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Malformed is the error of a line that is not HTTP.
func Malformed(line string) error { return wrong("malformed HTTP response %q", short(line)) }

func short(text string) string {
	if len(text) > maxReason {
		return text[:maxReason] + "..."
	}
	return text
}
