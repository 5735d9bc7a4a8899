package checks

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

func TestNNTPSession(t *testing.T) {
	const waiting = " while waiting for the greeting"
	play(t, "\r\n", newNNTP(nil), []played{
		{"may post", "S: 200 news", "", ""},
		{"may not post", "S: 201 news\nC: QUIT", "", ""},
		{"one byte", "S: 2\n(cut)", "", ""},
		{"no line end", "S: 200 ne\n(cut)\n(closes)", "", ""},
		{"too busy", "S: 400 too busy", Status, `greeting "400 too busy", want 2xx`},
		{"login wanted", "S: 480 log in\n(closes)", Status, `greeting "480 log in", want 2xx`},
		{"leading blank", "S:  200 news", Protocol, `greeting " 200 news", want 2xx`},
		{"another protocol", "S: SSH-2.0-OpenSSH", Protocol, `greeting "SSH-2.0-OpenSSH", want 2xx`},
		{"control characters", "S: \x1b[31m\x00\x7f\u202e", Protocol, `greeting "\x1b[31m\x00\x7f\u202e", want 2xx`},
		{"cut", "S: 400 too b\n(cut)\n(closes)", Closed, "connection closed" + waiting},
		{"half a line", "S: 400\n(cut)", Timeout, "timed out after 0s" + waiting},
		{"long", "S: 4" + strings.Repeat("x", 5000), Protocol, `greeting "4` + strings.Repeat("x", quote.MaxQuoted-1) + `"..., want 2xx`},
		{"endless", "S: 4" + strings.Repeat("x", session.MaxLines), Protocol, "the answer has more than 1048576 bytes"},
		{"silent", "", Timeout, "timed out after 0s" + waiting},
		{"closes", "(closes)", Closed, "connection closed" + waiting},
		{"resets", "(resets)", Closed, "connection reset by peer" + waiting},
	})
	never(t, newNNTP(nil), "200 news\r\n")
}

func FuzzNNTP(f *testing.F) {
	fuzzSession(f, func() session.Session { return newNNTP(nil) }, "", "", "2", "200 x\r\n", "400 x\r\n", "\x1b\n", "4")
}
