package checks

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

func TestSMTPSession(t *testing.T) {
	const (
		hello = "S: 220 mail ESMTP\nC: EHLO localhost.localdomain\n"
		again = hello + "S: 502 what\nC: HELO localhost.localdomain\n"
	)
	play(t, "\r\n", newSMTP(nil), []played{
		{"well", hello + "S: 250-mail\nS: 250 HELP\nC: QUIT", "", ""},
		{"greeting of several lines", "S: 220-mail\nS: 220-\nS: 220 ESMTP\nC: EHLO localhost.localdomain\nS: 250 mail", "", ""},
		{"code alone", "S: 220\nC: EHLO localhost.localdomain\nS: 250\nC: QUIT", "", ""},
		{"any 2xx", "S: 200 news\nC: EHLO localhost.localdomain\nS: 299 mail\nC: QUIT", "", ""},
		{"HELO", again + "S: 250 mail\nC: QUIT\n(resets)", "", ""},
		{"before it is asked", "S: 220 mail\nS: 250 mail\nC: EHLO localhost.localdomain\nC: QUIT", "", ""},
		{"too busy", "S: 421 too busy\n(closes)", Status, `greeting "421 too busy", want 2xx`},
		{"no service", "S: 554-no\nS: 554 service", Status, `greeting "554 service", want 2xx`},
		{"five digits", "S: 22000 mail", Protocol, `greeting "22000 mail", want 2xx`},
		{"glued", "S: 220mail", Protocol, `greeting "220mail", want 2xx`},
		{"EHLO 421", hello + "S: 421 going down", Status, `EHLO "421 going down", want 2xx`},
		{"EHLO 354", hello + "S: 354 go on", Status, `EHLO "354 go on", want 2xx`},
		{"HELO refused", again + "S: 550 no", Status, `HELO "550 no", want 2xx`},
		{"another protocol", "S: +OK pop", Protocol, `greeting "+OK pop", want 2xx`},
		{"an empty line", "S: ", Protocol, `greeting "", want 2xx`},
		{"cut greeting", "S: 220-mail\n(closes)", Closed, "connection closed while waiting for the greeting"},
		{"silent after EHLO", hello, Timeout, "timed out after 0s while waiting for the reply to EHLO"},
		{"silent after HELO", again, Timeout, "timed out after 0s while waiting for the reply to HELO"},
		{"resets after EHLO", hello + "(resets)", Closed, "connection reset by peer while waiting for the reply to EHLO"},
		{"many lines", strings.Repeat("S: 220-mail\n", 5000) + "S: 220 end\nC: EHLO localhost.localdomain\nS: 250 mail", "", ""},
		{"endless lines", strings.Repeat("S: 220-"+strings.Repeat("x", 1000)+"\n", 1100), Protocol, "the answer has more than 1048576 bytes"},
		{"a long line", "S: 220 " + strings.Repeat("x", 100000) + "\nC: EHLO localhost.localdomain\nS: 250 mail", "", ""},
	})
	play(t, "\n", newSMTP(nil), []played{{"bare LF", hello + "S: 250 mail\nC: QUIT", "", ""}})
	play(t, "\r", newSMTP(nil), []played{{"bare CR", "S: 220 mail", Timeout, "timed out after 0s while waiting for the greeting"}})
	never(t, newSMTP(nil), "220-mail\r\n220 mail\r\n", "502 what\r\n", "250-ma", "il\r\n250 HELP\r\n")
}

func FuzzSMTP(f *testing.F) {
	fuzzSession(f, func() session.Session { return newSMTP(nil) }, "",
		"220 a\r\n250-b\r\n250 c\r\n", "220 a\r\n502 b\r\n250 c\r\n", "421 a\r\n", "220", "220\n250\n", "\x1b[0m\n", "220-")
}
