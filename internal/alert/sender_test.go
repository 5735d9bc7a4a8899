package alert_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/internal/alert"
	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

func TestMain(m *testing.M) { leak.Main(m) }

const generous = time.Minute

// A record collects log lines.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *record) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func settings() alert.Settings {
	return alert.Settings{
		Queue: 8, Attempt: generous,
		Pauses: []time.Duration{time.Millisecond, time.Millisecond},
	}
}

// deliver sends m and waits until it is delivered or given up.
func deliver(t *testing.T, set alert.Settings, mails ...alert.Mail) (log string) {
	t.Helper()
	var r record
	s := alert.NewWith(r.logger(), set)
	for _, m := range mails {
		s.Send(m)
	}
	s.Finish()
	return r.String()
}

func sample(relay string) alert.Mail {
	return alert.Mail{
		To:      []string{"ops@example.com", "Dev Team <dev@example.com>", "root"},
		Subject: "Deleted real server: 192.0.2.1:80 (198.51.100.1:80)", Status: "running",
		Service: "shop", Comment: "call Anna", Reason: "refused", Relay: relay,
	}
}

func TestMailThroughRelay(t *testing.T) {
	r := startRelay(t, &relay{})
	log := deliver(t, settings(), sample(r.addr()))
	want := []string{"RCPT TO:<ops@example.com>", "RCPT TO:<dev@example.com>", "RCPT TO:<root>"}
	if diff := cmp.Diff(want, r.commands("RCPT")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"MAIL FROM:<shunt@lb1.example.com> BODY=8BITMIME"}, r.commands("MAIL")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"EHLO lb1.example.com"}, r.commands("EHLO")); diff != "" {
		t.Error(diff)
	}
	checkSample(t, one(t, r.received()))
	if !strings.Contains(log, "msg=emailalert subject=\"[shop] Deleted real server: 192.0.2.1:80 (198.51.100.1:80)\"") ||
		strings.Contains(log, "level=ERROR") {
		t.Errorf("log:\n%s", log)
	}
}

func one(t *testing.T, mails []string) string {
	t.Helper()
	if len(mails) != 1 {
		t.Fatalf("%d mails, want 1: %q", len(mails), mails)
	}
	return mails[0]
}

// checkSample checks header and body of the mail that sample makes.
func checkSample(t *testing.T, raw string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	for name, want := range map[string]string{
		"From":           "<shunt@lb1.example.com>",
		"To":             `<ops@example.com>, "Dev Team" <dev@example.com>, root`,
		"Subject":        "[shop] Deleted real server: 192.0.2.1:80 (198.51.100.1:80)",
		"Auto-Submitted": "auto-generated",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := m.Header.Date(); err != nil {
		t.Errorf("date: %v", err)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := `ldirectord host: lb1.example.com
Log-Message: [shop] Deleted real server: 192.0.2.1:80 (198.51.100.1:80)
Daemon-Status: running

Service name: shop
Comment: call Anna
Reason: refused
`
	if diff := cmp.Diff(want, strings.TrimRight(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")+"\n"); diff != "" {
		t.Error(diff)
	}
}

func TestSubjectAndSender(t *testing.T) {
	tests := []struct {
		name          string
		mail          alert.Mail
		from, subject string
	}{
		{"plain", alert.Mail{Subject: "A"}, "shunt@lb1.example.com", "A"},
		{"from", alert.Mail{Subject: "A", From: "LB <lb@example.com>"}, "lb@example.com", "A"},
		{"local from", alert.Mail{Subject: "A", From: "root"}, "root@lb1.example.com", "A"},
		{"bad from", alert.Mail{Subject: "A", From: "a b c"}, "shunt@lb1.example.com", "A"},
		{"injected from", alert.Mail{Subject: "A", From: "lb@example.com\r\nBcc: x@example.com"}, "shunt@lb1.example.com", "A"},
		{"injected subject", alert.Mail{Subject: "A\r\nBcc: x@example.com\r\n\r\nB"}, "shunt@lb1.example.com", "A  Bcc: x@example.com    B"},
		{"injected service", alert.Mail{Subject: "A", Service: "s\nBcc: x"}, "shunt@lb1.example.com", "[s Bcc: x] A"},
		{"not ascii", alert.Mail{Subject: "Größe", Service: "日本"}, "shunt@lb1.example.com", "[日本] Größe"},
		{"long", alert.Mail{Subject: strings.Repeat("word ", 60) + "end"}, "shunt@lb1.example.com", strings.Repeat("word ", 60) + "end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startRelay(t, &relay{})
			tt.mail.Relay, tt.mail.To, tt.mail.Comment = r.addr(), []string{"ops@example.com"}, "c\r\nDaemon-Status: stopping"
			log := deliver(t, settings(), tt.mail)
			m, err := mail.ReadMessage(strings.NewReader(one(t, r.received())))
			if err != nil {
				t.Fatal(err)
			}
			a, err := m.Header.AddressList("From")
			if err != nil || len(a) != 1 || a[0].Address != tt.from {
				t.Errorf("from %v, %v; want %s", a, err, tt.from)
			}
			if got := r.commands("MAIL")[0]; !strings.HasPrefix(got, "MAIL FROM:<"+tt.from+">") {
				t.Errorf("envelope %q", got)
			}
			words := new(mime.WordDecoder)
			if got, err := words.DecodeHeader(m.Header.Get("Subject")); err != nil || got != tt.subject {
				t.Errorf("subject %q, %v; want %q", got, err, tt.subject)
			}
			if m.Header.Get("Bcc") != "" || len(r.commands("RCPT")) != 1 {
				t.Errorf("injected: %v, %v", m.Header, r.commands("RCPT"))
			}
			checkBody(t, m, tt.subject)
			if strings.Contains(log, "level=ERROR") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

func checkBody(t *testing.T, m *mail.Message, subject string) {
	t.Helper()
	body := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	if lines[1] != "Log-Message: "+subject || lines[2] != "Daemon-Status: " || lines[3] != "" {
		t.Errorf("body %q", b)
	}
	if n := strings.Count("\n"+string(b), "\nDaemon-Status:"); n != 1 {
		t.Errorf("%d lines with the status in %q", n, b)
	}
}

func TestRelayTroubles(t *testing.T) {
	on := func(session int, command, reply string) func(int, string) string {
		return func(n int, c string) string {
			if strings.HasPrefix(c, command) && (session < 0 || n == session) {
				return reply
			}
			return ""
		}
	}
	const always = -1
	tests := []struct {
		name     string
		reply    func(int, string) string
		mails    int
		sessions int
		log      string // in the error, empty for none
	}{
		{"busy once", on(0, "greeting", "421 busy"), 1, 2, ""},
		{"busy always", on(always, "greeting", "421 busy"), 0, 3, "421 busy"},
		{"not wanted", func(_ int, c string) string {
			if strings.Contains(c, "LO ") {
				return "550 go away"
			}
			return ""
		}, 0, 1, "550 go away"},
		{"old", on(always, "EHLO", "502 what"), 1, 1, ""},
		{"sender refused", on(always, "MAIL", "553 no such domain"), 0, 1, "sender shunt@lb1.example.com: 553 no such domain"},
		{"one recipient refused", on(always, "RCPT TO:<dev@", "550 unknown"), 1, 1, "recipient dev@example.com: 550 unknown"},
		{"all recipients refused", on(always, "RCPT", "550 unknown"), 0, 1, "recipient root: 550 unknown"},
		{"one recipient greylisted", on(0, "RCPT TO:<dev@", "450 later"), 2, 2, ""},
		{"one recipient greylisted for ever", on(always, "RCPT TO:<dev@", "450 later"), 1, 3, "recipient dev@example.com: 450 later"},
		{"data refused", on(0, "DATA", "451 disk full"), 1, 2, ""},
		{"content refused", on(always, "end of data", "554 spam"), 0, 1, "554 spam"},
		{"content refused for now", on(0, "end of data", "452 later"), 1, 2, ""},
		{"no answer to QUIT", on(always, "QUIT", "silence"), 1, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startRelay(t, &relay{reply: tt.reply})
			set := settings()
			if tt.name == "no answer to QUIT" {
				set.Attempt = 3 * time.Second // all of it goes into waiting for the answer to QUIT
			}
			log := strings.ReplaceAll(deliver(t, set, sample(r.addr())), `\"`, "")
			got := r.received()
			if len(got) != tt.mails || r.sessions() != tt.sessions {
				t.Errorf("%d mails in %d sessions, want %d in %d", len(got), r.sessions(), tt.mails, tt.sessions)
			}
			failed := strings.Contains(log, "failed to send SMTP email message")
			if failed != (tt.log != "") || !strings.Contains(log, tt.log) {
				t.Errorf("log lacks %q:\n%s", tt.log, log)
			}
			if strings.Count(log, "level=ERROR") > 1 {
				t.Errorf("more than one error:\n%s", log)
			}
		})
	}
}

// Nobody gets the mail twice because somebody else got it late.
func TestGreylistedReceiverAlone(t *testing.T) {
	r := startRelay(t, &relay{reply: func(n int, c string) string {
		if n == 0 && strings.HasPrefix(c, "RCPT TO:<dev@") {
			return "450 later"
		}
		return ""
	}})
	deliver(t, settings(), sample(r.addr()))
	want := []string{
		"RCPT TO:<ops@example.com>", "RCPT TO:<dev@example.com>", "RCPT TO:<root>", "RCPT TO:<dev@example.com>",
	}
	if diff := cmp.Diff(want, r.commands("RCPT")); diff != "" {
		t.Error(diff)
	}
}

// A relay that hangs at any point costs its time and no more.
func TestSilentRelay(t *testing.T) {
	for _, point := range []string{"greeting", "EHLO", "MAIL", "RCPT", "DATA", "end of data", "STARTTLS"} {
		t.Run(point, func(t *testing.T) {
			r := startRelay(t, &relay{tls: selfSigned(t), reply: func(_ int, c string) string {
				if strings.HasPrefix(c, point) {
					return "silence"
				}
				return ""
			}})
			set := settings()
			set.Attempt = 200 * time.Millisecond
			log := deliver(t, set, sample(r.addr()))
			if !strings.Contains(log, "failed to send SMTP email message") || !strings.Contains(log, "deadline exceeded") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	t.Run("not trusted", func(t *testing.T) {
		r := startRelay(t, &relay{tls: selfSigned(t)})
		deliver(t, settings(), sample(r.addr()))
		checkSample(t, one(t, r.received()))
		if got := len(r.commands("EHLO")); got != 2 {
			t.Errorf("%d EHLO, want one in the clear and one within TLS", got)
		}
	})
	t.Run("offered and broken", func(t *testing.T) {
		r := startRelay(t, &relay{tls: &tls.Config{}})
		deliver(t, settings(), sample(r.addr()))
		checkSample(t, one(t, r.received()))
	})
	t.Run("offered and refused", func(t *testing.T) {
		r := startRelay(t, &relay{tls: selfSigned(t), reply: func(_ int, c string) string {
			if c == "STARTTLS" {
				return "454 not now"
			}
			return ""
		}})
		deliver(t, settings(), sample(r.addr()))
		checkSample(t, one(t, r.received()))
	})
}

// Sending does not wait, a full queue says so once, and Close gives up in time.
func TestDeadRelay(t *testing.T) {
	r := startRelay(t, &relay{reply: func(int, string) string { return "silence" }})
	var log record
	s := alert.NewWith(log.logger(), alert.Settings{Queue: 3, Attempt: time.Hour})
	s.Send(sample(r.addr()))
	wait.Until(t, "the first mail is under way", func() bool { return r.sessions() > 0 }) // the rest stays in the queue
	for range 50 {
		s.Send(sample(r.addr()))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s.Close(ctx)
	// Three were waiting, and one was under way.
	if !strings.Contains(log.String(), `msg="email alerts were not sent, shunt stops" count=4`) {
		t.Errorf("log:\n%s", &log)
	}
	if n := strings.Count(log.String(), "email alerts dropped, too many are waiting"); n != 1 {
		t.Errorf("%d lines about the full queue:\n%s", n, &log)
	}
	s.Send(sample(r.addr()))
	if !strings.Contains(log.String(), "email alert dropped, stopping") {
		t.Errorf("log after Close:\n%s", &log)
	}
}

// At the end each mail has one more attempt and no pause: a relay that refuses
// costs no time, one that takes mail again gets what waits, and one line says
// how many are lost.
func TestLastAttempts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply func(int, string) string
		sent  int
		lost  string
	}{
		{"takes them", func(session int, c string) string {
			if session == 0 {
				return "421 not now"
			}
			return ""
		}, 5, ""},
		{"refuses for now", func(int, string) string { return "421 not now" }, 0, "count=5"},
		{"refuses for good", func(_ int, c string) string {
			if strings.HasPrefix(c, "MAIL") {
				return "550 never"
			}
			return ""
		}, 0, "count="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startRelay(t, &relay{reply: tt.reply})
			var log record
			s := alert.NewWith(log.logger(), alert.Settings{Queue: 8, Attempt: generous, Pauses: []time.Duration{time.Hour}})
			s.Send(sample(r.addr()))
			wait.Until(t, "the first mail is under way", func() bool { return r.sessions() > 0 })
			for range 4 {
				s.Send(sample(r.addr()))
			}
			s.Close(t.Context())
			if n := len(r.received()); n != tt.sent {
				t.Errorf("%d mails arrived, want %d", n, tt.sent)
			}
			if n := strings.Count(log.String(), "email alerts were not sent"); n != strings.Count(tt.lost, "count") || !strings.Contains(log.String(), tt.lost) {
				t.Errorf("want %q in one line:\n%s", tt.lost, &log)
			}
		})
	}
}

func TestNoReceivers(t *testing.T) {
	log := deliver(t, settings(), alert.Mail{Subject: "A"})
	if log != "" {
		t.Errorf("log:\n%s", log)
	}
	log = deliver(t, settings(), alert.Mail{Subject: "A", To: []string{"", "a b", "-oQ/tmp", "x@y\r\nz@y"}})
	if !strings.Contains(log, "none of the recipients is an address") {
		t.Errorf("log:\n%s", log)
	}
}

func TestRelayAddr(t *testing.T) {
	for relay, want := range map[string][2]string{
		"mail.example.com":      {"mail.example.com", "mail.example.com:25"},
		"mail.example.com:2525": {"mail.example.com", "mail.example.com:2525"},
		"192.0.2.1":             {"192.0.2.1", "192.0.2.1:25"},
		"2001:db8::1":           {"2001:db8::1", "[2001:db8::1]:25"},
		"[2001:db8::1]":         {"2001:db8::1", "[2001:db8::1]:25"},
		"[2001:db8::1]:587":     {"2001:db8::1", "[2001:db8::1]:587"},
	} {
		if host, address := alert.RelayAddr(relay); [2]string{host, address} != want {
			t.Errorf("%s: %s, %s; want %v", relay, host, address, want)
		}
	}
}
