package checks

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

var sipOwn = netip.MustParseAddrPort("192.0.2.9:4000")

func newSIPOver(udp bool) session.Session {
	return newSIP(&Target{UDP: udp, Login: "check@site.test"}, sipOwn)
}

func TestSIPRequest(t *testing.T) {
	for _, udp := range []bool{true, false} {
		s := newSIPOver(udp).(*sip)
		first := string(s.Begin().Send)
		transport := map[bool]string{true: "UDP", false: "TCP"}[udp]
		for _, part := range []string{
			"OPTIONS sip:check@site.test SIP/2.0\r\nVia: SIP/2.0/" + transport + " 192.0.2.9:4000;rport;branch=z9hG4bK",
			"\r\nMax-Forwards: 70\r\n", "\r\nTo: <sip:check@site.test>\r\n", "\r\nFrom: <sip:check@site.test>;tag=",
			"\r\nCall-ID: ", "\r\nCSeq: 1 OPTIONS\r\n", "\r\nContact: <sip:check@site.test>\r\n", "\r\nContent-Length: 0\r\n\r\n",
		} {
			if !strings.Contains(first, part) {
				t.Errorf("%q lacks %q", first, part)
			}
		}
		if second := string(s.Begin().Send); second == first || len(second) != len(first) {
			t.Errorf("the second request is %q", second)
		}
	}
}

const sipWait = "timed out after 0s while waiting for a reply"

func TestSIPSession(t *testing.T) {
	s := newSIPOver(false)
	play(t, "\r\n", s, []played{
		{"well", "S: SIP/2.0 200 OK\nS: Content-Length: 0\nS: ", "", ""},
		{"any phrase", "S: SIP/2.0 200 Fine\nS: ", "", ""},
		{"no phrase", "S: SIP/2.0 200\nS: ", "", ""},
		{"empty lines before", "S: \nS: \nS: SIP/2.0 200 \nS: \n(closes)", "", ""},
		{"provisional", "S: SIP/2.0 100 Trying\nS: Content-Length: 0\nS: \nS: SIP/2.0 200 OK\nS: ", "", ""},
		{"provisional with a body", "S: SIP/2.0 183 Progress\nS: l : 21\nS: \nS: SIP/2.0 500 no\nS: SIP/\nS: SIP/2.0 200 OK\nS: ", "", ""},
		{"another branch", "S: SIP/2.0 500 no\nS: v: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKother\nS: \nS: SIP/2.0 200 OK\nS: ", "", ""},
		{"another branch alone", "S: SIP/2.0 200 OK\nS: VIA : SIP/2.0/TCP 192.0.2.9\nS: ", Timeout, sipWait},
		{"not found", "S: SIP/2.0 404 Not Found\nS: ", Status, `reply "SIP/2.0 404 Not Found", want SIP/2.0 200`},
		{"accepted", "S: SIP/2.0 202 Accepted\nS: ", Status, `reply "SIP/2.0 202 Accepted", want SIP/2.0 200`},
		{"lower case", "S: sip/2.0 200 OK", Protocol, `reply "sip/2.0 200 OK", want SIP/2.0 200`},
		{"four digits", "S: SIP/2.0 2000 OK", Protocol, `reply "SIP/2.0 2000 OK", want SIP/2.0 200`},
		{"another protocol", "S: SSH-2.0", Protocol, `reply "SSH-2.0", want SIP/2.0 200`},
		{"cut", "S: SIP/2.0 200 OK\nS: Content-Length: 0\n(closes)", Closed, "connection closed while waiting for a reply"},
		{"headers that do not end", "S: SIP/2.0 200 OK", Timeout, sipWait},
		{"endless headers", "S: SIP/2.0 200 OK\n" + strings.Repeat("S: X: "+strings.Repeat("x", 1000)+"\n", 1100), Protocol, "the answer has more than 1048576 bytes"},
		{"silent", "", Timeout, sipWait},
	})
	play(t, "\n", s, []played{{"bare LF", "S: SIP/2.0 200 OK\nS: ", "", ""}})
	never(t, s, "SIP/2.0 100 Trying\r\n\r\nSIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")
}

// TestSIPDatagrams has each message in one datagram.
func TestSIPDatagrams(t *testing.T) {
	for _, c := range []struct {
		name      string
		datagrams []string
		words     string
	}{
		{"well", []string{"SIP/2.0 200 OK\r\n\r\n"}, ""},
		{"provisional", []string{"SIP/2.0 100 Trying\r\nl: 500\r\n\r\nshort", "SIP/2.0 200 OK\r\n\r\n"}, ""},
		{"somebody else's", []string{"SIP/2.0 404 No\r\nVia: x\r\n\r\n", "\r\n", "", "SIP/2.0 200 OK\r\n\r\n"}, ""},
		{"no end", []string{"SIP/2.0 200 OK\r\nContent-Length: 0\r\n"}, `the headers of "SIP/2.0 200 OK" do not end`},
		{"in two", []string{"SIP/2.0 200 OK\r\n", "\r\n"}, `the headers of "SIP/2.0 200 OK" do not end`},
		{"half a line, then another", []string{"SIP/2.0 2", "00 OK\r\n\r\n"}, `reply "00 OK", want SIP/2.0 200`},
	} {
		s := newSIPOver(true)
		step := s.Begin()
		for _, d := range c.datagrams {
			if step.Done {
				break
			}
			step = s.Feed([]byte(d), false)
		}
		if got := verdict(shown(step.Err)); !step.Done || got != c.words {
			t.Errorf("%s: done %t, %q, want %q", c.name, step.Done, got, c.words)
		}
	}
}

// TestSIPOwnBranch has a reply to this very request.
func TestSIPOwnBranch(t *testing.T) {
	s := newSIPOver(true)
	request := s.Begin().Send
	via, _, _ := bytes.Cut(request[bytes.Index(request, []byte("Via: ")):], []byte("\r\n"))
	step := s.Feed([]byte("SIP/2.0 200 OK\r\n"+string(via)+";received=192.0.2.9\r\n\r\n"), false)
	if !step.Done || step.Err != nil {
		t.Errorf("the reply is not taken: %+v", step)
	}
}

// FuzzSIP leaves out what is sent, which is another request each time.
func FuzzSIP(f *testing.F) {
	fuzzSession(f, func() session.Session { return branchless{newSIPOver(false)} }, "",
		"SIP/2.0 200 OK\r\n\r\n", "SIP/2.0 100 a\r\nl: 3\r\n\r\nabcSIP/2.0 404 b\n\n", "\n\nSIP/2.0 200 \x1b\nv: x\n\n", "SIP/2.0 2")
}

// A branchless session sends nothing that a fuzz test would compare.
type branchless struct{ session.Session }

func (b branchless) Begin() session.Step { b.Session.Begin(); return session.Step{} }
