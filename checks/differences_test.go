package checks_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/shunt-lb/shunt/checks"
)

// A difference is a line of CONFIGURATION.md about where shunt says something
// else than ldirectord of the same real server, and such real servers. line is
// what the line begins with.
type difference struct {
	line  string
	cases []differing
}

// A differing is a real server of which both say something else. kind is that of
// shunt's verdict, "" for well; ldirectord's is the other one.
type differing struct {
	check  string
	addr   func(t *testing.T) netip.AddrPort
	target checks.Target
	kind   checks.Kind
}

// on is a server at 127.0.0.1, and six one at ::1.
func on(h handler) func(*testing.T) netip.AddrPort {
	return func(t *testing.T) netip.AddrPort { return server(t, "127.0.0.1", h) }
}

func six(h handler) func(*testing.T) netip.AddrPort {
	return func(t *testing.T) netip.AddrPort { return server(t, "::1", h) }
}

func nobody(t *testing.T) netip.AddrPort { return refused(t) }

// datagram is a server of UDP that answers each request with these.
func datagram(answers func(request string) []string) func(*testing.T) netip.AddrPort {
	return func(t *testing.T) netip.AddrPort { return udpServer(t, answers) }
}

// talks is a server that greets, and answers each line by its first word that it
// knows, 0 standing for a tag in front.
func talks(greeting string, answers map[string]string) handler {
	return func(_ context.Context, conn *net.TCPConn) {
		_, _ = io.WriteString(conn, greeting+"\r\n")
		for in := bufio.NewScanner(conn); in.Scan(); {
			words := strings.Fields(in.Text() + " - -")
			answer, ok := answers[words[0]]
			if !ok {
				answer = words[0] + " " + answers[words[1]]
			}
			if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
				return
			}
		}
	}
}

// page answers a request with this.
func page(answer string) func(*testing.T) netip.AddrPort {
	return func(t *testing.T) netip.AddrPort { return after(t, answer) }
}

var (
	joe     = checks.Target{Login: "joe", Passwd: "secret"}
	test    = checks.Target{Receive: receive("Test Page")}
	ftpFile = checks.Target{Login: "joe", Passwd: "secret", Request: "/f", Receive: receive("well")}
	options = checks.Target{UDP: true, Login: "check@example.test"}
	named   = checks.Target{UDP: true, Request: "/www.example.test", Receive: receive("10.1.2.3")}
	access  = checks.Target{UDP: true, Login: "joe", Passwd: "secret", Secret: "shared"}

	mailbox  = talks("+OK", map[string]string{"CAPA": "-ERR", "USER": "+OK", "PASS": "+OK", "STAT": "+OK", "QUIT": "+OK"})
	mailbox4 = talks("* OK", map[string]string{"LOGIN": "OK", "LOGOUT": "OK"})
)

var differences = []difference{
	{"| pop and pops without `login`, and ftp without `receive`", []differing{
		{"ftp", nobody, checks.Target{Login: "joe", Receive: receive("x*")}, checks.Refused},
		{"ftp", on(ftpServer{said: map[string]string{"RETR": "550 no"}}.serve), checks.Target{Login: "joe", Request: "/f", Receive: receive(".*")}, checks.Status},
		{"pop", nobody, checks.Target{}, checks.Refused},
		{"pop", on(says("-ERR busy\r\n")), checks.Target{}, checks.Status},
		{"ftp", nobody, joe, checks.Refused},
		{"ftp", on(talks("220", map[string]string{"USER": "331", "PASS": "530 no"})), joe, checks.Auth},
	}},
	{"| imap and imaps of an IPv4 address", []differing{{"imap", on(mailbox4), joe, ""}}},
	{"| pop, imap and ftp over IPv6", []differing{{"pop", six(mailbox), joe, ""}, {"imap", six(mailbox4), joe, ""}}},
	{"| a login of imap with a backslash", []differing{
		{"imap", on(func(ctx context.Context, conn *net.TCPConn) {
			_, _ = io.WriteString(conn, "* OK\r\n")
			in := bufio.NewReader(conn)
			line, _ := in.ReadString('\n')
			if strings.HasSuffix(line, ` LOGIN "a\\b" "secret"`+"\r\n") {
				_, _ = fmt.Fprintf(conn, "%s OK\r\n", strings.Fields(line)[0])
			}
			<-ctx.Done()
		}), checks.Target{Login: `a\b`, Passwd: "secret"}, checks.Timeout}, // of LOGOUT: the login was accepted
	}},
	{"| pop that is silent, imap silent after its greeting, and a greeting of smtp that never ends", []differing{
		{"pop", on(silent), joe, checks.Timeout},
		{"imap", on(greets("* OK\r\n", silent)), joe, checks.Timeout},
		{"smtp", on(func(_ context.Context, c *net.TCPConn) { drip(c, "220 ") }), checks.Target{}, checks.Timeout},
	}},
	{"| smtp and ftp take `220mail` and `2200 mail`", []differing{
		{"ftp", on(ftpServer{said: map[string]string{"": "220filesCLOSE"}}.serve), joe, checks.Protocol},
		{"ftp", on(ftpServer{said: map[string]string{"": "2200 filesCLOSE"}}.serve), joe, checks.Protocol},
		{"smtp", on(talks("220mail", map[string]string{"EHLO": "250 x", "QUIT": "221 x"})), checks.Target{}, checks.Protocol},
		{"smtp", on(talks("2200 mail", map[string]string{"EHLO": "250 x", "QUIT": "221 x"})), checks.Target{}, checks.Protocol},
	}},
	{"| ftp: a reply of several lines ends with any code", []differing{
		{"ftp", on(ftpServer{said: map[string]string{"": "220-files\n221 more\n220 files"}}.serve), joe, ""},
	}},
	{"| ftp: a file is good though the login was refused", []differing{
		{"ftp", on(ftpServer{said: map[string]string{"PASS": "530 no"}, file: "well"}.serve), ftpFile, checks.Auth},
		{"ftp", on(ftpServer{said: map[string]string{"END": "426 aborted"}, file: "well"}.serve), ftpFile, checks.Status},
		{"ftp", on(ftpServer{said: map[string]string{"END": "hang"}, file: "well"}.serve), ftpFile, checks.Timeout},
	}},
	{"| sip: only `200 OK` in capitals", []differing{
		{"sip", sipReplies("\r\nSIP/2.0 100 Trying\r\nV\r\n", "SIP/2.0 200 Fine\r\nV\r\n"), options, ""},
		{"sip", sipReplies("SIP/2.0 200\r\nV\r\n"), options, ""},
	}},
	{"| sip: the reply to another request", []differing{
		{"sip", sipReplies("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother\r\n\r\n"), options, checks.Timeout},
		{"sip", on(says("SIP/2.0 200 OK\r\n")), checks.Target{Login: "check@example.test"}, checks.Closed},
	}},
	{"| http: one 100 before the answer", []differing{
		{"http", page("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + head200 + "\r\nTest Page"), test, ""},
	}},
	{"| http: a status line that cannot be read", []differing{
		{"http", page("HTTP/1.1 200OK\r\n\r\nTest Page"), test, checks.Protocol},
		{"http", page("HTTP/1.1 2000 OK\r\n\r\nTest Page"), test, checks.Protocol},
		{"http", page(head200 + "X: Test Page"), test, checks.Closed},
	}},
	{"| http: more than 128 lines of headers", []differing{{"http", page(head200 + strings.Repeat("X: y\r\n", 500) + "\r\nTest Page"), test, ""}}},
	{"| a redirect to `../up/./page`", []differing{
		{"http", func(t *testing.T) netip.AddrPort { return redirect(t, http.StatusFound, "../a/./../here", "127.0.0.1") }, checks.Target{}, ""},
	}},
	{"| simpletcp: a `request` with `\\n` and no `receive`", []differing{{"simpletcp", on(says("x")), checks.Target{Request: `/a\n`}, ""}}},
	{"| a database that is silent", []differing{
		{"mysql", on(silent), checks.Target{Login: "joe", Passwd: "secret", Request: "/select 1"}, checks.Timeout},
		{"pgsql", on(silent), checks.Target{Login: "joe", Passwd: "secret", Request: "/select 1"}, checks.Timeout},
	}},
	{"| pgsql without a `database`", []differing{
		{"pgsql", on(saysTag("SELECT 1")), checks.Target{Login: "joe", Request: "/table alive"}, ""},
		{"pgsql", on(saysTag("SELECT 1")), checks.Target{Login: "joe", Database: "other", Request: "/table alive"}, checks.Status},
	}},
	{"| records beside SERVFAIL or NXDOMAIN", []differing{
		{"dns", names(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }), named, checks.Status},
		{"dns", names(func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("other.test.") }), named, checks.Protocol},
	}},
	{"| an LDAP entry before an error", []differing{
		{
			"ldap", on(func(_ context.Context, conn *net.TCPConn) {
				for _, answer := range []string{
					"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", // bindResponse of success
					"\x30\x1b\x02\x01\x02\x64\x16\x04\x12dc=cluster,dc=test\x30\x00" + // an entry, and busy
						"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x33\x04\x00\x04\x00",
				} {
					_, _ = conn.Read(make([]byte, 1000))
					_, _ = io.WriteString(conn, answer)
				}
				_, _ = io.Copy(io.Discard, conn)
			}),
			checks.Target{Request: "/dc=cluster,dc=test", Receive: receive("dc=cluster")},
			checks.Status,
		},
	}},
	{"| a forged RADIUS reply ends the check", []differing{{"radius", datagram(func(request string) []string {
		return []string{"\x02" + request[1:2] + "\x00\x14" + strings.Repeat("x", 16), accepts(request, "")}
	}), access, ""}}},
	{"| a RADIUS reply with a wrong Message-Authenticator", []differing{
		{"radius", datagram(func(request string) []string {
			return []string{accepts(request, "\x50\x12"+strings.Repeat("x", 16))}
		}), access, checks.Protocol},
		{"radius", datagram(func(request string) []string { return []string{accepts(request, authenticator(request))} }), access, ""},
	}},
}

// sipReplies answers OPTIONS with these, in which V stands for the Via of the
// request.
func sipReplies(replies ...string) func(*testing.T) netip.AddrPort {
	return datagram(func(request string) (answers []string) {
		via := regexp.MustCompile(`(?m)^Via: .*\r\n`).FindString(request)
		for _, r := range replies {
			answers = append(answers, strings.ReplaceAll(r, "V\r\n", via+"\r\n"))
		}
		return answers
	})
}

// names answers a question with 10.1.2.3, in a reply that spoil has changed.
func names(spoil func(*dnsmessage.Message)) func(*testing.T) netip.AddrPort {
	return datagram(func(request string) []string {
		var m dnsmessage.Message
		if m.Unpack([]byte(request)) != nil {
			return nil
		}
		m.Response, m.Additionals = true, nil
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte{10, 1, 2, 3}},
		}}
		spoil(&m)
		b, _ := m.Pack()
		return []string{string(b)}
	})
}

// accepts is an Access-Accept to a request of RADIUS (RFC 2865 section 3).
func accepts(request string, attributes string) string {
	head := string([]byte{2, request[1], 0, byte(20 + len(attributes))})
	sum := md5.Sum([]byte(head + request[4:20] + attributes + "shared"))
	return head + string(sum[:]) + attributes
}

// authenticator is the Message-Authenticator of an Access-Accept that has
// nothing else (RFC 3579 section 3.2).
func authenticator(request string) string {
	mac := hmac.New(md5.New, []byte("shared"))
	_, _ = io.WriteString(mac, "\x02"+request[1:2]+"\x00\x26"+request[4:20]+"\x50\x12"+strings.Repeat("\x00", 16))
	return "\x50\x12" + string(mac.Sum(nil))
}

// TestDifferences: where CONFIGURATION.md says that a check differs from
// ldirectord's, it does.
func TestDifferences(t *testing.T) {
	manual := must(os.ReadFile("../CONFIGURATION.md"))(t)
	for _, d := range differences {
		if !strings.Contains(string(manual), "\n"+d.line) {
			t.Errorf("CONFIGURATION.md has no line %q", d.line)
		}
		for _, c := range d.cases {
			t.Run(c.check+" "+string(c.kind), func(t *testing.T) {
				timeout := long
				if c.kind == checks.Timeout || c.kind == checks.Protocol && c.target.UDP { // what came was dropped
					timeout = brief
				}
				c.target.Addr = c.addr(t)
				err := run(t, c.check, timeout, c.target)
				if got := checks.KindOf(err); got != c.kind {
					t.Errorf("%s\n%v is %q, want %q", d.line, err, got, c.kind)
				}
			})
		}
	}
}
