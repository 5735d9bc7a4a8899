package checks

import (
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

func TestIMAPSession(t *testing.T) {
	const (
		login = "S: * OK imap\nC: a1 LOGIN \"joe\" \"secret\"\n"
		in    = login + "S: a1 OK in\nC: a2 LOGOUT\n"
	)
	joe := newIMAP(&Target{Login: "joe", Passwd: "secret"})
	play(t, "\r\n", joe, []played{
		{"well", in + "S: * BYE\nS: a2 OK bye", "", ""},
		{"lower case", "S: * ok\nC: a1 LOGIN \"joe\" \"secret\"\nS: a1 ok in\nC: a2 LOGOUT\nS: a2 bad", "", ""},
		{"capabilities in between", login + "S: * CAPABILITY IMAP4rev1\nS: a1 OK [CAPABILITY IMAP4rev1] in\nC: a2 LOGOUT\nS: * BYE\n(closes)", "", ""},
		{"resets after LOGOUT", in + "(resets)", "", ""},
		{"wrong password", login + "S: a1 NO [AUTHENTICATIONFAILED] no", Auth, `LOGIN "NO [AUTHENTICATIONFAILED] no", want OK`},
		{"the password comes back", login + "S: a1 BAD LOGIN \"joe\" \"secret\"", Auth, `LOGIN "BAD LOGIN \"joe\" ***", want OK`},
		{"no fault of the login", login + "S: a1 NO [UNAVAILABLE] no directory", Status, `LOGIN "NO [UNAVAILABLE] no directory", want OK`},
		{"BYE", login + "S: * BYE closing\n(closes)", Status, `LOGIN "* BYE closing", want OK`},
		{"wrong tag", login + "S: a9 OK in", Protocol, `LOGIN "a9 OK in", want a1 OK`},
		{"no line for anybody", login + "S: + go on", Protocol, `LOGIN "+ go on", want a1 OK`},
		{"silent after LOGIN", login, Timeout, "timed out after 0s while waiting for the answer to LOGIN"},
		{"silent after BYE", in + "S: * BYE", Timeout, "timed out after 0s while waiting for the answer to LOGOUT"},
		{"closes after LOGIN", login + "(closes)", Closed, "connection closed while waiting for the answer to LOGIN"},
		{"too busy", "S: * BYE no\n(closes)", Status, `greeting "* BYE no", want * OK`},
		{"NO", "S: * NO no", Status, `greeting "* NO no", want * OK`},
		{"a line before the greeting", "S: * CAPABILITY IMAP4rev1\nS: * OK", Protocol, `greeting "* CAPABILITY IMAP4rev1", want * OK`},
		{"another protocol", "S: SSH-2.0", Protocol, `greeting "SSH-2.0", want * OK`},
		{"silent", "", Timeout, "timed out after 0s while waiting for the greeting"},
	})
	play(t, "\n", joe, []played{{"bare LF", in + "S: a2 OK", "", ""}})
	never(t, joe, "* OK\r\n", "a1 OK\r\n", "* BYE\r\na2 OK\r\n")

	play(t, "\r\n", newIMAP(&Target{Login: `j"o\e`, Passwd: `se{}%* cr"et`}), []played{
		{"special characters", "S: * OK\nC: a1 LOGIN \"j\\\"o\\\\e\" \"se{}%* cr\\\"et\"\nS: a1 OK\nC: a2 LOGOUT\nS: a2 OK", "", ""},
		{"they come back", "S: * OK\nC: a1 LOGIN \"j\\\"o\\\\e\" \"se{}%* cr\\\"et\"\nS: a1 NO \"se{}%* cr\\\"et\" se{}%* cr\"et", Auth, `LOGIN "NO *** ***", want OK`},
	})
	play(t, "\r\n", newIMAP(&Target{Login: "joe"}), []played{{"no password", "S: * OK\nC: a1 LOGIN \"joe\" \"\"\nS: a1 OK\nC: a2 LOGOUT\nS: a2 OK", "", ""}})
	nobody := newIMAP(&Target{})
	play(t, "\r\n", nobody, []played{
		{"no login", "S: * OK\nC: a2 LOGOUT\nS: * BYE\nS: a2 OK", "", ""},
		{"preauth", "S: * PREAUTH\nC: a2 LOGOUT\n(closes)", "", ""},
		{"silent after LOGOUT", "S: * OK\nC: a2 LOGOUT", Timeout, "timed out after 0s while waiting for the answer to LOGOUT"},
	})
	never(t, nobody, "* OK\r\n", "a2 OK\r\n")
}

func FuzzIMAP(f *testing.F) {
	fuzzSession(f, func() session.Session { return newIMAP(&Target{Login: "joe", Passwd: "sesame"}) }, "sesame",
		"* OK\r\na1 OK\r\n* BYE\r\na2 OK\r\n", "* PREAUTH\na1 NO sesame\n", "* BYE\n", "* OK\n* BYE \x1b\n", "* OK\na2\n", "* OK {5}\n")
}
