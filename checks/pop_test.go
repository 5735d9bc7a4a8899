package checks

import (
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// The digests are those of the examples of RFC 1939 (section 7) and RFC 2195
// (section 2).
const (
	apopStamp  = "<1896.697170952@dbc.mtview.ca.us>"
	apopDigest = "c4c9334bac560ecc979e58001b3e22fb"
	challenge  = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
	cramDigest = "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"
)

func TestPOPSession(t *testing.T) {
	const (
		hello = "S: +OK pop\nC: CAPA\nS: +OK\nS: USER\nS: .\nC: USER joe\n"
		login = hello + "S: +OK\nC: PASS secret\n"
		in    = login + "S: +OK in\nC: STAT\n"
		out   = in + "S: +OK 0 0\nC: QUIT\n"
	)
	waiting := func(command string) string { return "timed out after 0s while waiting for the answer to " + command }
	joe := newPOP(&Target{Login: "joe", Passwd: "secret"})
	play(t, "\r\n", joe, []played{
		{"well", out + "S: +OK bye", "", ""},
		{"CAPA refused", "S: +OK pop\nC: CAPA\nS: -ERR what\nC: USER joe\nS: +OK\nC: PASS secret\nS: +OK\nC: STAT\nS: -ERR locked\nC: QUIT\nS: -ERR no", "", ""},
		{"closes instead of STAT", in + "(closes)", "", ""},
		{"resets instead of QUIT", out + "(resets)", "", ""},
		{"glued greeting", "S: +okay\nC: CAPA\nS: -ERR\nC: USER joe\nS: +OK\nC: PASS secret\nS: +OK\nC: STAT\nS: +OK\nC: QUIT\nS: +OK", "", ""},
		{"APOP refused", "S: +OK " + apopStamp + "\nC: CAPA\nS: -ERR what\nC: APOP joe 3f18b52881e44c0cc6067f46e0ced7bc\nS: -ERR what\nC: USER joe\nS: +OK\nC: PASS secret\nS: +OK\nC: STAT\nS: +OK\nC: QUIT\nS: +OK", "", ""},
		{"USER refused", hello + "S: -ERR nobody", Auth, `USER "-ERR nobody", want +OK`},
		{"PASS refused", login + "S: -ERR [AUTH] no", Auth, `PASS "-ERR [AUTH] no", want +OK`},
		{"lower case", login + "S: +ok in", Auth, `PASS "+ok in", want +OK`},
		{"no fault of the login", login + "S: -ERR [SYS/TEMP] no memory", Status, `PASS "-ERR [SYS/TEMP] no memory", want +OK`},
		{"the password comes back", login + "S: -ERR PASS secret?", Auth, `PASS "-ERR PASS ***?", want +OK`},
		{"too busy", "S: -ERR too busy\n(closes)", Status, `greeting "-ERR too busy", want +OK`},
		{"another protocol", "S: * OK imap", Protocol, `greeting "* OK imap", want +OK`},
		{"silent", "", Timeout, "timed out after 0s while waiting for the greeting"},
		{"silent after CAPA", "S: +OK\nC: CAPA", Timeout, waiting("CAPA")},
		{"endless CAPA", "S: +OK\nC: CAPA\nS: +OK\nS: TOP", Timeout, "timed out after 0s while waiting for the end of the answer to CAPA"},
		{"silent after USER", hello, Timeout, waiting("USER")},
		{"silent after PASS", login, Timeout, waiting("PASS")},
		{"silent after STAT", in, Timeout, waiting("STAT")},
		{"silent after QUIT", out, Timeout, waiting("QUIT")},
		{"closes after PASS", login + "(closes)", Closed, "connection closed while waiting for the answer to PASS"},
		{"cut greeting", "S: +OK p\n(cut)\n(closes)", Closed, "connection closed while waiting for the greeting"},
	})
	play(t, "\n", joe, []played{{"bare LF", out + "S: +OK bye", "", ""}})
	never(t, joe, "+OK pop\r\n", "+OK\r\nUSER\r\n.\r\n", "+OK\r\n", "+OK\r\n", "+OK 0 0\r\n", "+OK\r\n")

	play(t, "\r\n", newPOP(&Target{Login: "mrose", Passwd: "tanstaaf"}), []played{
		{"APOP", "S: +OK POP3 server ready " + apopStamp + "\nC: CAPA\nS: -ERR what\nC: APOP mrose " + apopDigest + "\nS: +OK\nC: STAT\nS: +OK\nC: QUIT\nS: +OK", "", ""},
	})
	play(t, "\r\n", newPOP(&Target{Login: "tim", Passwd: "tanstaaftanstaaf"}), []played{
		{"CRAM-MD5", "S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN CRAM-MD5\nS: .\nC: AUTH CRAM-MD5\nS: + " + challenge + "\nC: " + cramDigest + "\nS: +OK\nC: STAT\nS: +OK\nC: QUIT\nS: +OK", "", ""},
		{"CRAM-MD5 refused", "S: +OK\nC: CAPA\nS: +OK\nS: SASL CRAM-MD5\nS: .\nC: AUTH CRAM-MD5\nS: + " + challenge + "\nC: " + cramDigest + "\nS: -ERR\nC: USER tim\nS: -ERR no", Auth, `USER "-ERR no", want +OK`},
		{"CRAM-MD5 refused, and then silent", "S: +OK\nC: CAPA\nS: +OK\nS: SASL CRAM-MD5\nS: .\nC: AUTH CRAM-MD5\nS: + " + challenge + "\nC: " + cramDigest + "\nS: -ERR [AUTH] no\nC: USER tim", Auth, `login refused, "-ERR [AUTH] no"`},
		{"no challenge", "S: +OK\nC: CAPA\nS: +OK\nS: SASL CRAM-MD5\nS: .\nC: AUTH CRAM-MD5\nS: + ?\nC: USER tim\nS: -ERR no", Auth, `USER "-ERR no", want +OK`},
	})
}

func TestPOPSessionWithoutLogin(t *testing.T) {
	nobody := newPOP(&Target{Passwd: "unused"})
	play(t, "\r\n", nobody, []played{
		{"well", "S: +OK pop\nC: QUIT\nS: +OK", "", ""},
		{"closes", "S: +OK pop\nC: QUIT\n(closes)", "", ""},
		{"silent after the greeting", "S: +OK pop\nC: QUIT", Timeout, "timed out after 0s while waiting for the answer to QUIT"},
		{"closes at once", "(closes)", Closed, "connection closed while waiting for the greeting"},
	})
	never(t, nobody, "+OK pop\r\n", "+OK\r\n")
}

func FuzzPOP(f *testing.F) {
	fuzzSession(f, func() session.Session { return newPOP(&Target{Login: "joe", Passwd: "sesame"}) }, "sesame",
		"+OK\r\n+OK\r\n.\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n", "+OK <1@2>\n-ERR\n-ERR\n-ERR sesame\n",
		"+ok\n+OK\nSASL CRAM-MD5\n.\n+ "+challenge+"\n-ERR\n+OK\n-ERR \x1b\n", "-ERR x\n", "+OK <@")
}
