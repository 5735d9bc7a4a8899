package checks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/config"
)

func pattern(t testing.TB, source string) Matcher {
	t.Helper()
	p, err := config.CompilePattern(source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRedisSession(t *testing.T) {
	const loading = "-LOADING Redis is loading the dataset in memory"
	ping := newRedis(&Target{Request: "/"})
	play(t, "\r\n", ping, []played{
		{"well", "C: PING\nS: +PONG", "", ""},
		{"loading", "C: PING\nS: " + loading, Status, `PING "` + loading + `", want +PONG`},
		{"no master", "C: PING\nS: -MASTERDOWN Link with MASTER is down", Status, `PING "-MASTERDOWN Link with MASTER is down", want +PONG`},
		{"login wanted", "C: PING\nS: -NOAUTH Authentication required.", Auth, `PING "-NOAUTH Authentication required.", want +PONG`},
		{"another reply", "C: PING\nS: +HELLO", Mismatch, `PING "+HELLO", want +PONG`},
		{"another kind of reply", "C: PING\nS: $4\nS: PONG", Mismatch, `PING "$4\r\nPONG", want +PONG`},
		{"another protocol", "C: PING\nS: HTTP/1.1 400 Bad\x1b", Protocol, `PING "HTTP/1.1 400 Bad\x1b", want a reply of Redis`},
		{"an empty line", "S: ", Protocol, `PING "", want a reply of Redis`},
		{"cut", "S: +PON\n(cut)\n(closes)", Closed, "connection closed while waiting for the reply to the request"},
		{"silent", "C: PING", Timeout, "timed out after 0s while waiting for the reply to the request"},
		{"endless", "S: +" + strings.Repeat("x", session.MaxHeld), Protocol, "PING: the reply has more than 65536 bytes"},
		{"more than it says", "S: $60000\nS: " + strings.Repeat("x", 60000) + "\nS: x", Mismatch, `PING "$60000\r\n` + strings.Repeat("x", quote.MaxQuoted-8) + `"..., want +PONG`},
	})
	play(t, "\n", ping, []played{{"bare LF", "C: PING\nS: +PONG", "", ""}})
	never(t, ping, "+PO", "NG\r\n")

	login := "C: *3\nC: $4\nC: AUTH\nC: $3\nC: joe\nC: $6\nC: secret\n"
	joe := newRedis(&Target{Login: "joe", Passwd: "secret"})
	play(t, "\r\n", joe, []played{
		{"login", login + "S: +OK\nC: PING\nS: +PONG", "", ""},
		{"both at once", login + "S: +OK\nS: +PONG\nC: PING", "", ""},
		{"wrong password", login + "S: -WRONGPASS invalid username-password pair", Auth, `AUTH "-WRONGPASS invalid username-password pair", want +OK`},
		{"no password there", login + "S: -ERR AUTH secret?", Auth, `AUTH "-ERR AUTH ***?", want +OK`},
		{"loading", login + "S: " + loading, Status, `AUTH "` + loading + `", want +OK`},
		{"no right", login + "S: +OK\nC: PING\nS: -NOPERM this user has no permissions", Auth, `PING "-NOPERM this user has no permissions", want +PONG`},
		{"silent", login, Timeout, "timed out after 0s while waiting for the reply to AUTH"},
	})
	never(t, joe, "+OK\r\n", "+PONG\r\n")
	play(t, "\r\n", newRedis(&Target{Passwd: "secret"}), []played{
		{"password alone", "C: *2\nC: $4\nC: AUTH\nC: $6\nC: secret\nS: +OK\nC: PING\nS: +PONG", "", ""},
	})

	play(t, "\r\n", newRedis(&Target{Request: "/INFO replication", Receive: pattern(t, `role:master\r\n`)}), []played{
		{"a string matches", "C: INFO replication\nS: $26\nS: # Replication\nS: role:master", "", ""},
		{"a string does not", "C: INFO replication\nS: $10\nS: role:slave", Mismatch, `reply to INFO replication does not match "role:master\\r\\n"`},
		{"what comes behind does not count", "C: INFO replication\nS: $-1\nS: role:master", Mismatch, `reply to INFO replication does not match "role:master\\r\\n"`},
		{"an error is none", "C: INFO replication\nS: -ERR role:master\nS: ", Status, `INFO replication "-ERR role:master", want no error`},
		{"an array", "C: INFO replication\nS: *3\nS: *2\nS: :1\nS: $-1\nS: *0\nS: +role:master", "", ""},
		{"half an array", "C: INFO replication\nS: *2\nS: +role:master", Timeout, "timed out after 0s while waiting for the reply to the request"},
		{"a length that is none", "S: $x", Protocol, `INFO replication "$x", want a reply of Redis`},
		{"a length below null", "S: *-2", Protocol, `INFO replication "*-2", want a reply of Redis`},
	})
	play(t, "\r\n", newRedis(&Target{Request: "/DBSIZE"}), []played{
		{"any reply", "C: DBSIZE\nS: :0", "", ""},
		{"no error", "C: DBSIZE\nS: -ERR no", Status, `DBSIZE "-ERR no", want no error`},
	})
	if held := session.Held(); held != 0 {
		t.Errorf("%d bytes are held by no conversation", held)
	}
}

// TestRedisSlowPattern has a reply whose pattern takes its time.
func TestRedisSlowPattern(t *testing.T) {
	for expr, want := range map[string]string{
		"(a|b)*c": "", "(x?){200}y": `reply to GET x does not match "(x?){200}y"`,
	} {
		s := newRedis(&Target{Request: "/GET x", Receive: pattern(t, expr)})
		s.Begin()
		step := s.Feed([]byte("$40000\r\n"+strings.Repeat("ab", 19999)+"cz\r\n"), false)
		err := step.Err
		if step.Rest != nil {
			err = step.Rest(t.Context(), nil)
		}
		if got := verdict(shown(err)); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func FuzzRedis(f *testing.F) {
	fuzzSession(f, func() session.Session { return newRedis(&Target{Passwd: "sesame"}) }, "sesame",
		"+OK\r\n+PONG\r\n", "-ERR sesame\n", "+OK\n$3\r\nabc\r\n", "*2\n:1\n*-1\n", "*1000000\n", "$1073741824\n", "+OK\n-\x1b\n", "\n")
}

func TestUDPSession(t *testing.T) {
	for _, c := range []struct {
		request, receive string
		sent             string
		replies          []string
		words            string
	}{
		{"/ff 00", "", "\xff\x00", []string{"x"}, ""},
		{"/text:hello", "", "hello", []string{""}, ""},
		{"/text:a", `^\xff`, "a", []string{"\xff\x00", "no"}, ""},
		{"/text:a", `^\x00`, "a", []string{"\xff\x1b[0m", "\x00"}, `reply "\xff\x1b[0m" does not match "^\\x00"`},
		{"/PING", "", "", nil, "request cannot be sent: it does not begin with text: and is not hexadecimal"},
		{"/", "", "", nil, "request cannot be sent: it is empty: nothing would be sent"},
	} {
		target := &Target{Request: c.request}
		if c.receive != "" {
			target.Receive = pattern(t, c.receive)
		}
		s := newUDP(target)
		step := s.Begin()
		if string(step.Send) != c.sent {
			t.Errorf("%q is sent as %q", c.request, step.Send)
		}
		for _, r := range c.replies {
			if !step.Done {
				step = s.Feed([]byte(r), false)
			}
		}
		if got := verdict(step.Err); !step.Done || got != c.words {
			t.Errorf("%q: done %t, %q, want %q", c.request, step.Done, got, c.words)
		}
	}
	never(t, newUDP(&Target{Request: "ff", Receive: pattern(t, "p.ng")}), "pong")
}

// FuzzUDP takes any datagram: what matches is well, and the words are fit for
// a terminal.
func FuzzUDP(f *testing.F) {
	f.Add([]byte("pong"))
	f.Add([]byte("\x1b\xff"))
	s := newUDP(&Target{Request: "ff", Receive: pattern(f, "^p.ng")})
	f.Fuzz(func(t *testing.T, reply []byte) {
		s.Begin()
		step := s.Feed(reply, false)
		well := len(reply) >= 4 && reply[0] == 'p' && reply[1] != '\n' && string(reply[2:4]) == "ng"
		if !step.Done || (step.Err == nil) != well {
			t.Errorf("%q: %+v", reply, step)
		}
		if words := verdict(step.Err); slices.ContainsFunc([]rune(words), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q is not fit for a terminal", fmt.Sprint(words))
		}
	})
}
