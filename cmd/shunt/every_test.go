package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A mailbox is an SMTP server that keeps what it is sent.
type mailbox struct {
	ln   net.Listener
	mu   sync.Mutex
	text strings.Builder
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox{ln: ln}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go m.serve(c)
		}
	}()
	return m
}

// serve speaks just enough SMTP for one client.
func (m *mailbox) serve(c net.Conn) {
	defer c.Close()
	answer := func(text string) { _, _ = fmt.Fprintf(c, "%s\r\n", text) }
	answer("220 mailbox")
	data := false
	for s := bufio.NewScanner(c); s.Scan(); {
		m.keep(s.Text())
		switch verb := strings.ToUpper(s.Text()); {
		case data && s.Text() != ".":
		case data:
			data = false
			answer("250 kept")
		case verb == "DATA":
			data = true
			answer("354 go on")
		case verb == "QUIT":
			answer("221 bye")
			return
		default:
			answer("250 ok")
		}
	}
}

func (m *mailbox) keep(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text.WriteString(line + "\n")
}

func (m *mailbox) has(want string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Contains(m.text.String(), want)
}

// backend is a real server that says yes.
func backend(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/alive" && r.Host != "www.example.test" {
			http.Error(w, r.Host, http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, "yes\n")
	}))
	t.Cleanup(s.Close)
	return s
}

// port is the port of an address.
func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// An everyFixture is all that the file with every directive needs around it.
type everyFixture struct {
	t        *testing.T
	dir      string
	mails    *mailbox
	rs1, rs2 *httptest.Server
	web, ext string // virtual services
	more     string // one of an included file
	file     string
}

func newEveryFixture(t *testing.T) *everyFixture {
	e := &everyFixture{t: t, dir: t.TempDir(), mails: newMailbox(t), rs1: backend(t), rs2: backend(t), web: loopbackAddr(t), ext: loopbackAddr(t)}
	e.file = filepath.Join(e.dir, "every.cf")
	text, err := os.ReadFile("testdata/every.cf")
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := filepath.Abs("../../config/testdata/tls")
	if err != nil {
		t.Fatal(err)
	}
	write(t, e.file, strings.NewReplacer("%DIR%", e.dir, "%TLS%", certificates,
		"%SUM%", fmt.Sprintf("%x", sha256.Sum256([]byte("yes\n"))), "%SMTP%", port(e.mails.ln.Addr().String()),
		"%WEB%", port(e.web), "%EXT%", port(e.ext), "%UDP%", port(loopbackAddr(t)),
		"%RS1%", port(e.rs1.Listener.Addr().String()), "%RS2%", port(e.rs2.Listener.Addr().String())).Replace(string(text)))
	write(t, filepath.Join(e.dir, "other.cf"), "virtual = "+loopbackAddr(t)+"\n\tchecktype = connect\n")
	if err := os.Mkdir(filepath.Join(e.dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	e.more = loopbackAddr(t)
	write(t, filepath.Join(e.dir, "conf.d", "more.cf"), "virtual = "+e.more+"\n\tchecktype = connect\n\treal = "+e.rs1.Listener.Addr().String()+" masq\n")
	write(t, filepath.Join(e.dir, "page.html"), "<p>back soon</p>\n")
	write(t, filepath.Join(e.dir, "blocked"), "# nobody here\n198.51.100.0/24\n2001:db8::/32\n")
	for _, program := range []string{"callback", "fallbackcommand", "check"} {
		path := filepath.Join(e.dir, program)
		write(t, path, "#!/bin/sh\necho \"$@\" >> "+path+".calls\n")
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(e.dir, "maintenance"), 0o755); err != nil {
		t.Fatal(err)
	}
	return e
}

// has waits until a file of the fixture holds want.
func (e *everyFixture) has(name, want string) {
	e.t.Helper()
	wait.Until(e.t, name+" holds "+want, func() bool {
		text, _ := os.ReadFile(filepath.Join(e.dir, name))
		return regexp.MustCompile("(?m)" + want).Match(text)
	})
}

// status waits until `shunt status` shows want.
func (e *everyFixture) status(want string) {
	e.t.Helper()
	wait.Until(e.t, "status shows "+want, func() bool {
		out, _ := e.shunt("status", "--config", e.file).Output()
		return regexp.MustCompile("(?m)" + want).Match(out)
	})
}

func (e *everyFixture) shunt(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(e.t.Context(), shuntBinary, args...)
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+e.dir)
	cmd.Stderr = os.Stderr
	inGroup(cmd)
	return cmd
}

func (e *everyFixture) web200() bool {
	resp, err := http.Get("http://" + e.web + "/")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// A file with every directive runs, and each of them does what it says.
func TestEveryDirective(t *testing.T) {
	e := newEveryFixture(t)
	run := e.shunt("run", "--config", e.file, "--admin", "")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	defer killGroup(run)
	e.status(`ready|2/2 up`)
	wait.Until(t, "traffic", e.web200)
	e.has("monitor", `^\[.* \d{4}\] \[\d+\] combined http tcp 127\.0\.0\.1 \d+ www\.example\.test 2 masq /alive yes \[up\] -$`)
	e.status(regexp.QuoteMeta(e.more) + ` .*1/1`)
	e.has("check.calls", `^127\.0\.0\.1 `+port(e.ext)+` 127\.0\.0\.1 `+port(e.rs1.Listener.Addr().String())+`$`)
	e.has("fallbackcommand.calls", `^stop `+e.web+` tcp$`)
	e.mailed("Subject: [Web Shop] Restored real server: " + e.rs1.Listener.Addr().String())

	client, err := net.Dial("tcp", e.web)
	if err != nil {
		t.Fatal(err)
	}
	wait.For(t, "the connection is listed", func() (string, bool) {
		listed, _ := e.shunt("connections", "--config", e.file).Output()
		alias, _ := e.shunt("status", "--config", e.file, "--connections", "--service", e.web).Output()
		line := client.LocalAddr().String() + " "
		return string(listed) + string(alias), strings.Contains(string(listed), line) && strings.Contains(string(alias), line)
	})
	if err := client.Close(); err != nil {
		t.Error(err)
	}

	rs2 := e.rs2.Listener.Addr().String()
	write(t, filepath.Join(e.dir, "maintenance", rs2), "")
	e.status(`(?i)` + regexp.QuoteMeta(rs2) + ` .*maint`)
	e.mailed("Quiescent real server: " + rs2)

	e.rs1.Close()
	e.has("fallbackcommand.calls", `^start `+e.web+` tcp$`)
	e.has("monitor", `\[down\] .*refused`)
	e.mailed("Inaccessible real server: " + e.rs1.Listener.Addr().String())
	wait.Until(t, "the sorry page", func() bool { return e.body() == "<p>back soon</p>\n" })

	text, err := os.ReadFile(e.file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, e.file, string(text)+"# edited\n")
	e.has("callback.calls", `^`+regexp.QuoteMeta(e.file)+`$`)
	e.has("log", "configuration reloaded")
	if err := run.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("shunt: %v", err)
	}
}

func (e *everyFixture) mailed(want string) {
	e.t.Helper()
	wait.Until(e.t, "mail with "+want, func() bool { return e.mails.has(want) })
}

func (e *everyFixture) body() string {
	resp, err := http.Get("http://" + e.web + "/")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// The file has every directive there is, and `config show` explains each.
func TestEveryDirectiveIsExplained(t *testing.T) {
	e := newEveryFixture(t)
	out, err := e.shunt("config", "show", e.file).Output()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9]+)` \\| (?:G|V|begins)").FindAllSubmatch(doc, -1) {
		name := string(m[1])
		if !regexp.MustCompile(`(?m)^\s*` + name + `[ =].*(line \d+|default|from )`).Match(out) {
			t.Errorf("config show does not explain %s", name)
		}
	}
}
