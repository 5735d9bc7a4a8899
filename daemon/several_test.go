package daemon

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A speaker is a server that says a line, which may change, to every connection. It
// can be stopped and started again on its port.
type speaker struct {
	t    *testing.T
	addr string
	mu   sync.Mutex
	line string
	ln   net.Listener
}

func newSpeaker(t *testing.T, line string) *speaker {
	t.Helper()
	s := &speaker{t: t, addr: "127.0.0.1:0", line: line}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *speaker) start() {
	s.t.Helper()
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ln, s.addr = ln, ln.Addr().String()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			_, _ = fmt.Fprintln(c, s.line)
			s.mu.Unlock()
			_ = c.(*net.TCPConn).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
}

func (s *speaker) stop() { s.ln.Close() }

func (s *speaker) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line
}

func (s *speaker) port() string {
	_, port, _ := net.SplitHostPort(s.addr)
	return port
}

// server1 waits until the only real server is as want says, and returns it.
func (b *fixture) server1(what string, want func(director.ServerStatus) bool) director.ServerStatus {
	b.t.Helper()
	return wait.For(b.t, what, func() (director.ServerStatus, bool) {
		st, err := b.Status(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		s := st.Services[0].Servers[0]
		return s, want(s)
	})
}

func in(state director.State, weight int) func(director.ServerStatus) bool {
	return func(s director.ServerStatus) bool { return s.State == state && s.Current == weight }
}

// page asks the service for a page, "" if nobody answers.
func (b *fixture) page() string {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + b.vip + "/")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// A web server whose cache fails alone is out of use until the cache is back, and
// status, history and metrics say by which check.
func TestSeveralChecksOfAWebServer(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer web.Close()
	cache := newSpeaker(t, "PONG")
	name := "check=simpletcp port=" + cache.port() + ` request="PING"`
	b := set(t, fmt.Sprintf(`checkinterval = 1
virtual = %%VIP%%
	real = %s masq 4
	service = http
	receive = "fine"
	check = simpletcp port=%s request="PING" receive="PONG"
	agent = %s
`, web.Listener.Addr(), cache.port(), newSpeaker(t, "up 50%").port()))
	b.server1("all checks to be good", in(director.Up, 2))
	if got := b.page(); got != "fine" {
		t.Errorf("the page is %q", got)
	}
	cache.stop()
	s := b.server1("the cache to be missed", in(director.Down, 0))
	want := name + ": simpletcp " + cache.addr + ": "
	if !strings.HasPrefix(s.Cause, want) || !strings.HasPrefix(s.Result, want) {
		t.Errorf("cause %q, result %q, want %s…", s.Cause, s.Result, want)
	}
	if c := s.Checks; len(c) != 3 || c[0].Check != "negotiate http" || !c[0].OK || c[1].Check != name || c[1].OK || !strings.HasPrefix(c[2].Check, "agent=") || c[2].Request != "weight 50%" {
		t.Errorf("checks %+v", c)
	}
	if got := b.page(); got != "" {
		t.Errorf("without its cache the page is %q", got)
	}
	b.saysOfChecks(name)
	cache.start()
	b.server1("the cache to be back", in(director.Up, 2))
	if got := b.page(); got != "fine" {
		t.Errorf("the page is %q", got)
	}
}

// saysOfChecks looks for the check of a name, which fails, in history and metrics.
func (b *fixture) saysOfChecks(name string) {
	b.t.Helper()
	all, err := b.History(b.t.Context(), "", "")
	if err != nil {
		b.t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range all[0].Checks {
		found[fmt.Sprint(c.Check, " ", c.OK)] = true
	}
	if !found[name+" false"] || !found["negotiate http true"] {
		b.t.Errorf("history has %v", found)
	}
	resp, err := http.Get("http://" + b.Admin() + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	label := strings.ReplaceAll(name, `"`, `\"`)
	for check, want := range map[string]string{label: "0", "negotiate http": "1"} {
		sample := regexp.MustCompile(`(?m)^shunt_real_server_check_up\{.*check="` + regexp.QuoteMeta(check) + `"\} (.)$`).FindSubmatch(text)
		if sample == nil || string(sample[1]) != want {
			b.t.Errorf("metric of %s: %q, want %s", check, sample, want)
		}
	}
}

// An agent beside a check has its words obeyed, and its silence passed over.
func TestAgentBesideAWebServer(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer web.Close()
	agent := newSpeaker(t, "ready")
	b := set(t, fmt.Sprintf("checkinterval = 1\nvirtual = %%VIP%%\n\treal = %s masq 8\n\tservice = http\n\tagent = %s\n", web.Listener.Addr(), agent.port()))
	for _, step := range []struct {
		line   string
		state  director.State
		weight int
		asks   string
	}{
		{"ready", director.Up, 8, ""},
		{"50%", director.Up, 4, "weight 50%"},
		{"drain", director.Up, 0, "drain, weight 50%"},
		{"75%", director.Up, 0, "drain, weight 75%"},
		{"ready", director.Up, 6, "weight 75%"},
		{"maint # upgrade", director.Maintenance, 0, "maint, weight 75% (upgrade)"},
		{"ready", director.Up, 6, "weight 75%"},
		{"stopped", director.Down, 0, "weight 75%"},
		{"up", director.Up, 6, "weight 75%"},
		{"fail", director.Down, 0, "weight 75%"},
		{"up 100%", director.Up, 8, ""},
		{"down # disk full", director.Down, 0, ""},
	} {
		agent.say(step.line)
		b.server1(step.line, func(s director.ServerStatus) bool {
			return s.State == step.state && s.Current == step.weight && s.Request == step.asks
		})
	}
	if s := b.server1("", in(director.Down, 0)); !strings.HasSuffix(s.Cause, "the agent says down: disk full") || !strings.HasPrefix(s.Cause, "agent="+agent.port()+": ") {
		t.Errorf("cause %q", s.Cause)
	}
	silent := func(s director.ServerStatus) bool { return s.Checks[1].Silent }
	agent.stop()
	b.server1("the agent to be silent", func(s director.ServerStatus) bool { return silent(s) && s.State == director.Down })
	agent.start()
	agent.say("25%")
	b.server1("the agent to speak again", func(s director.ServerStatus) bool {
		return !silent(s) && s.Checks[1].Request == "weight 25%" && s.State == director.Down
	})
	agent.say("up")
	b.server1("up", in(director.Up, 2))
	agent.say("no word of this is known")
	b.server1("nonsense", func(s director.ServerStatus) bool { return silent(s) && s.State == director.Up })
	agent.stop()
	s := b.server1("the agent to be gone", func(s director.ServerStatus) bool { return silent(s) && s.Checks[1].Reason == "refused" })
	if s.State != director.Up || s.Current != 2 || s.Result != "" {
		t.Errorf("without its agent the server is %+v", s)
	}
	if got := b.page(); got != "fine" {
		t.Errorf("the page is %q", got)
	}
}
