package alert_test

import (
	"bytes"
	"io"
	"maps"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/internal/alert"
)

// With any configuration the header has its fields, the body its lines, and the
// envelope only addresses.
func FuzzCompose(f *testing.F) {
	f.Add("ops@example.com", "", "Added real server", "", "")
	f.Add("a <b@c>", "root", "x\r\nBcc: y@z\r\n\r\n.\r\nQUIT", "s\nTo: z", "c\rDaemon-Status: stopping")
	f.Add("\"a b\"@c", "Ärger <x@y>", strings.Repeat("ü", 300), "=?utf-8?q?x?=", strings.Repeat("long ", 500))
	f.Fuzz(func(t *testing.T, to, from, subject, service, comment string) {
		raw, addresses, err := alert.Compose(alert.Mail{
			To: []string{to}, From: from, Subject: subject, Service: service, Comment: comment, Status: "running",
		})
		if err != nil {
			return
		}
		for _, a := range addresses {
			if a == "" || strings.ContainsAny(a, "<> \r\n\t") {
				t.Errorf("address %q", a)
			}
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%v in %q", err, raw)
		}
		want := []string{
			"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To",
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(m.Header))); diff != "" {
			t.Errorf("%s in %q", diff, raw)
		}
		for name, values := range m.Header {
			if len(values) != 1 {
				t.Errorf("%d times %s in %q", len(values), name, raw)
			}
		}
		checkLines(t, m, service != "", comment != "")
	})
}

func checkLines(t *testing.T, m *mail.Message, service, comment bool) {
	t.Helper()
	body := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ldirectord host: ", "Log-Message: ", "Daemon-Status: ", ""}
	if service {
		want = append(want, "Service name: ")
	}
	if comment {
		want = append(want, "Comment: ")
	}
	got := strings.Split(strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n"), "\n")
	if len(got) < 3 || len(got) > len(want) {
		t.Fatalf("body %q", b)
	}
	for i, line := range got {
		if !strings.HasPrefix(line, want[i]) && line+" " != want[i] {
			t.Errorf("line %d of %q", i, b)
		}
	}
}
