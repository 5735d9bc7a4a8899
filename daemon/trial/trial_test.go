package trial_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon/trial"
	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/process"
)

func TestMain(m *testing.M) { leak.Main(m) }

// parse reads a file.
func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	conf, err := config.Parse(t.Context(), "test.cf", []byte(text), config.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return conf
}

// results makes all checks of a file.
func results(t *testing.T, text string) []trial.Result {
	t.Helper()
	var all []trial.Result
	if err := trial.Run(t.Context(), trial.Selection{}.Select(parse(t, text)), func(r trial.Result) { all = append(all, r) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// only makes the only check of a file.
func only(t *testing.T, text string) trial.Result {
	t.Helper()
	all := results(t, text)
	if len(all) != 1 {
		t.Fatalf("%d checks, want 1", len(all))
	}
	return all[0]
}

// printed is what a person sees of a result.
func printed(rs ...trial.Result) string {
	var b bytes.Buffer
	p := trial.Printer{Out: &b}
	for _, r := range rs {
		p.Print(r)
	}
	_, _ = p.Close()
	return b.String()
}

func web(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// raw is a server that says s to every connection, once it has been asked.
func raw(t *testing.T, s string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, s)
			_ = conn.Close()
		}
	}()
	return ln.Addr().String()
}

func section(real string, directives ...string) string {
	return "virtual=192.0.2.1:80\n\treal=" + real + " masq\n\t" + strings.Join(directives, "\n\t") + "\n"
}

// The tutorial's check against the wrong page is explained by one line.
func TestAWrongPageIsExplained(t *testing.T) {
	for _, body := range []string{"<html>\n  <title>It works!</title>", ""} {
		for _, chunked := range []bool{false, true} {
			addr := web(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, body)
				if chunked {
					w.(http.Flusher).Flush()
				}
			})
			r := only(t, section(addr, `service=http`, `request="index.html"`, `receive="Test Page"`))
			want := fmt.Sprintf(`http %s: body does not match "Test Page"`, addr)
			if body == "" {
				want += ": it is empty"
			} else {
				want += `: it begins with "<html> <title>It works!</title>"`
			}
			if r.OK || r.Verdict != want {
				t.Errorf("got  %s\nwant %s", r.Verdict, want)
			}
		}
	}
}

// An answer that is no text has no words to begin with.
func TestABinaryAnswerIsNotQuoted(t *testing.T) {
	addr := raw(t, "\x00\x01\x02\x03")
	for _, login := range []string{"login = joe", "login = joe\n\tpasswd = geheim"} {
		r := only(t, section(addr, `service=simpletcp`, `request="x"`, `receive="pong"`, login))
		if r.OK || r.Kind != checks.Mismatch || strings.Contains(r.Verdict, "begins with") {
			t.Errorf("%s: %s", r.Kind, r.Verdict)
		}
	}
}

// A real server that is well may ask for a weight, or to be let alone: the verdict
// says so, by the words of a status.
func TestWhatAServerAsksFor(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"192.0.2.9:80": "75% # \x1b[31mbusy\n", "192.0.2.10:80": "maint", "192.0.2.11:80": "up\n", "twelve": "#!/bin/sh\nexit 12\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ text, asks string }{
		{section("192.0.2.9:80", "service=file", "checkfile="+dir), "weight 75% ([31mbusy)"},
		{section("192.0.2.10:80", "service=file", "checkfile="+dir), "maint"},
		{section("192.0.2.11:80", "service=file", "checkfile="+dir), ""},
		{section("192.0.2.9:80", "checktype=external", "checkcommand="+dir+"/twelve", "checkcommandweight=yes"), "weight 10"},
	} {
		r, want := only(t, tt.text), "the real server is well"
		if tt.asks != "" {
			want += ", and asks for " + tt.asks
		}
		if !r.OK || r.Request != tt.asks || r.Verdict != want {
			t.Errorf("%q: %q, want %q", r.Request, r.Verdict, want)
		}
		if len(r.Events) < 2 {
			t.Errorf("%s: what was read is not shown: %v", want, r.Events)
		}
	}
}

// A page that came by HTTP/2 is shown, and explained as well as one by HTTP/1.
func TestAPageOfHTTP2IsShown(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "It works!\n\nhere") }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	addr := s.Listener.Addr().String()
	r := only(t, section(addr, "service=https", "httpversion=2", `receive="Test Page"`))
	if want := fmt.Sprintf(`https %s: body does not match "Test Page": it begins with "It works! here"`, addr); r.Verdict != want {
		t.Errorf("got  %s\nwant %s", r.Verdict, want)
	}
	if out := printed(r); !strings.Contains(out, "received   It works!\n") {
		t.Errorf("the page is not shown:\n%s", out)
	}
}

// Words that a check quotes are not quoted a second time.
func TestAnAnswerIsQuotedOnce(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		asked := make([]byte, 10)
		for {
			_, from, err := conn.ReadFrom(asked)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte("no"), from)
		}
	}()
	addr := conn.LocalAddr().String()
	r := only(t, section(addr, "protocol=udp", "service=udp", `request="text:PING"`, `receive="PONG"`))
	if want := fmt.Sprintf(`udp %s: reply "no" does not match "PONG"`, addr); r.Verdict != want {
		t.Errorf("got  %s\nwant %s", r.Verdict, want)
	}
}

func TestAGoodPage(t *testing.T) {
	addr := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "Test Page at "+r.URL.Path) })
	r := only(t, section(addr, `service=http`, `request="index.html"`, `receive="Test Page"`))
	out := printed(r)
	for _, want := range []string{"tcp 192.0.2.1:80\n  " + addr + " http\n", "GET /index.html HTTP/1.1\n", "received   HTTP/1.1 200 OK\n", "Test Page at /index.html\n", ": the real server is well\n", "1 good, 0 failed\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !r.OK || r.Ldirectord != "" {
		t.Errorf("%+v", r)
	}
}

// Nothing that a real server says reaches the terminal as it is, and no more
// of it than fits on a screen.
func TestNothingRawIsPrinted(t *testing.T) {
	addr := raw(t, "HTTP/1.1 200 OK\r\n\r\n\x1b]0;you\a\x9b2J\u202e\xff\u0085"+strings.Repeat("line\n", 1000)+strings.Repeat("long", 1000))
	out := printed(only(t, section(addr, `service=http`, `receive="OK"`)))
	for _, r := range out {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is printed", r)
		}
	}
	if n := strings.Count(out, "\n"); n > 60 || !strings.Contains(out, "lines more: --full") {
		t.Errorf("%d lines:\n%s", n, out)
	}
	if !strings.Contains(out, `\x1b]0;you\x07\x9b2J\u202e\xff\u0085`) {
		t.Errorf("what is escaped is not shown:\n%s", out)
	}
}

func TestWhatLdirectordWouldSay(t *testing.T) {
	elsewhere := web(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://www.other.test/x", http.StatusFound)
	})
	self := httptest.NewTLSServer(http.NotFoundHandler())
	defer self.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	defer secure.Close()
	dies := filepath.Join(t.TempDir(), "dies")
	if err := os.WriteFile(dies, []byte("#!/bin/sh\nkill -9 $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	echo := raw(t, "pong\n")
	for _, tt := range []struct{ name, text, want string }{
		{"redirect", section(elsewhere, "service=http"), "it follows the redirect to www.other.test itself"},
		{"no status line", section(raw(t, "hello"), "service=http"), "it takes an answer without a status line for a good page: up"},
		{"self-signed", section(secure.Listener.Addr().String(), "service=https"), "a self-signed certificate fails there"},
		{"self-signed and down", section(self.Listener.Addr().String(), "service=https"), ""},
		{"signal", section("127.0.0.1:1", "checktype=external", "checkcommand="+dies), "a signal has ended for a success: up"},
		{"exit status", section("127.0.0.1:1", "checktype=external", "checkcommand=/bin/false"), ""},
		{"request with a newline", section(echo, "service=simpletcp", `request="ping\n"`), `it never succeeds when the request has a \n`},
		{"and with receive", section(echo, "service=simpletcp", `request="ping\n"`, `receive="pong"`), ""},
		{"connect", section(echo, "checktype=connect"), ""},
		{"ping of IPv6", "virtual6=[2001:db8::1]:80\n\treal6=[::1]:80 masq\n\tchecktype=ping\n", "its ping of an IPv6 address never succeeds: down"},
	} {
		if r := only(t, tt.text); !strings.Contains(r.Ldirectord, tt.want) || (tt.want == "") != (r.Ldirectord == "") {
			t.Errorf("%s: %q, want %q; %s", tt.name, r.Ldirectord, tt.want, r.Verdict)
		}
	}
}

// Results come in the order of the file, however long each takes, and one
// that hangs delays no other.
func TestOrderAndPace(t *testing.T) {
	hang, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hang.Close()
	quick := web(t, func(http.ResponseWriter, *http.Request) {})
	text := "negotiatetimeout=1\nvirtual=192.0.2.1:80\n"
	const n = 300
	for i := range n {
		addr := quick
		if i%60 == 0 {
			addr = hang.Addr().String()
		}
		text += fmt.Sprintf("\treal=%s masq %d\n", addr, i+1)
	}
	conf := parse(t, text+"\tservice=http\n")
	began, seen := time.Now(), []string{}
	if err := trial.Run(t.Context(), trial.Selection{}.Select(conf), func(r trial.Result) { seen = append(seen, r.Real) }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	for i, r := range conf.Virtuals[0].Reals {
		if seen[i] != r.Addr.String() {
			t.Fatalf("result %d is of %s, want %s", i, seen[i], r.Addr)
		}
	}
}

func TestInterrupted(t *testing.T) {
	hang, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hang.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	conf := parse(t, section(hang.Addr().String(), "service=http"))
	if err := trial.Run(ctx, trial.Selection{}.Select(conf), func(trial.Result) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestSelection(t *testing.T) {
	conf := parse(t, `virtual=192.0.2.1:80
	servicename=shop
	real=127.0.0.1:80 masq
	real=127.0.0.2:80 masq
	checktype=connect
virtual=5
	real=127.0.0.1:81 masq
	checktype=2
	service=http
	checkport=80
`)
	for _, tt := range []struct {
		s    trial.Selection
		want int
	}{
		{trial.Selection{}, 4}, // the mark has two kinds of checks
		{trial.Selection{Virtual: "tcp 192.0.2.1:80"}, 2},
		{trial.Selection{Virtual: "192.0.2.1:80"}, 2},
		{trial.Selection{Virtual: "Shop"}, 2},
		{trial.Selection{Virtual: "5"}, 2},
		{trial.Selection{Real: "127.0.0.1"}, 3},
		{trial.Selection{Real: "127.0.0.1:80"}, 1},
		{trial.Selection{Virtual: "shop", Real: "127.0.0.2:80"}, 1},
		{trial.Selection{Real: "127.0.0.3"}, 0},
	} {
		if got := len(tt.s.Select(conf)); got != tt.want {
			t.Errorf("%+v chooses %d, want %d", tt.s, got, tt.want)
		}
	}
}

func TestResultsAsJSON(t *testing.T) {
	addr := web(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	b, err := json.Marshal(only(t, section(addr, "service=http")))
	if err != nil {
		t.Fatal(err)
	}
	var back trial.Result
	if err := json.Unmarshal(b, &back); err != nil || back.Kind != checks.Status || len(back.Events) < 3 || back.Duration <= 0 {
		t.Errorf("%v %s", err, b)
	}
}

// Each check of a real server is made, and has its line; an agent that cannot be
// reached is no failure, one that says down is.
func TestSeveralChecks(t *testing.T) {
	page := web(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	cache, agent, gone := raw(t, "-ERR s3cret is wrong\r\n"), raw(t, "down # disk full\n"), process.FreeAddr(t).String()
	port := func(addr string) string {
		_, p, _ := net.SplitHostPort(addr)
		return p
	}
	text := "virtual=10.0.0.1:80\n\treal=" + page + " masq\n\tservice=http\n\tcheck=connect port=" + port(page) +
		"\n\tcheck=redis port=" + port(cache) + " passwd=\"s3cret\"\n\tagent="
	all := results(t, text+port(gone)+"\n")
	if len(all) != 4 || !all[0].OK || !all[1].OK || all[2].OK || !all[3].OK || trial.Failed(all) != 1 {
		t.Fatalf("%+v", all)
	}
	shown := printed(all...)
	for _, want := range []string{
		"  " + page + " http\n", " connect (check=connect port=" + port(page) + ")\n", " redis (check=redis port=" + port(cache) + ")\n",
		" agent (agent=" + port(gone) + ")\n", "connection refused: the agent says nothing, which changes nothing\n",
		"ldirectord: it has no directive check, and refuses the file\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	if strings.Contains(shown, "s3cret") {
		t.Errorf("the password is in\n%s", shown)
	}
	all = results(t, text+port(agent)+" request=\"state\"\n")
	if all[3].OK || !strings.HasSuffix(all[3].Verdict, "the agent says down: disk full") {
		t.Errorf("%+v", all[3])
	}
}
