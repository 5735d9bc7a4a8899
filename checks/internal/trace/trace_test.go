package trace_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/checks/internal/trace"
)

// shown records bytes as sent or received and returns what is shown of them.
func shown(kind trace.Kind, login, passwd, text string) string {
	var t trace.Trace
	t.Hide(login, passwd)
	t.Data(kind, []byte(text))
	return t.Events()[0].Text
}

// A secret is in no form to be read, wherever it stands.
func TestSecretsAreMasked(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`[a-zA-Z0-9"'\\ %&+=/?ü@:]{4,20}`).Draw(rt, "secret")
		before := rapid.StringMatching(`[a-z .]{0,12}[ \r\n]`).Draw(rt, "before")
		b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
		quoted, _ := json.Marshal(secret)
		form := rapid.SampledFrom([]string{
			secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted), hex.EncodeToString([]byte(secret)),
			b64(secret), b64("\x00login\x00" + secret), b64("login:" + secret),
			base64.URLEncoding.EncodeToString([]byte("x" + secret)),
		}).Draw(rt, "form")
		for _, kind := range []trace.Kind{trace.Sent, trace.Received} {
			got := shown(kind, "login", secret, before+form+"\r\n")
			if strings.Contains(got, strings.Trim(form, `"`)) {
				rt.Fatalf("%s shows %q of %q", kind, got, form)
			}
			if !strings.Contains(got, trace.Masked) {
				rt.Fatalf("%s: nothing is masked in %q", kind, got)
			}
		}
	})
}

func TestCredentialsAreMasked(t *testing.T) {
	cram := base64.StdEncoding.EncodeToString([]byte("tim b913a602c7eda7a495b4e6e7334d3890")) // RFC 2195
	for _, tt := range []struct{ sent, want string }{
		{"PASS tanstaaf\r\n", "PASS ***\r\n"},
		{"APOP tim c4c9334bac560ecc979e58001b3e22fb\r\n", "APOP tim ***\r\n"},
		{"AUTH PLAIN AHRpbQBhYmM=\r\n", "AUTH PLAIN ***\r\n"},
		{"EHLO x\r\nAUTH CRAM-MD5\r\n" + cram + "\r\n", "EHLO x\r\nAUTH CRAM-MD5\r\n***\r\n"},
		{"a1 LOGIN tim \"abc def\"\r\n", "a1 LOGIN tim ***\r\n"},
		{"GET / HTTP/1.1\r\nAuthorization: Basic dGltOmFiYw==\r\nHost: x\r\n", "GET / HTTP/1.1\r\nAuthorization: ***\r\nHost: x\r\n"},
		{"OPTIONS sip:x SIP/2.0\r\nproxy-authorization:Digest username=\"tim\"\r\n", "OPTIONS sip:x SIP/2.0\r\nproxy-authorization:***\r\n"},
		{"AUTHINFO PASS flower\r\n", "AUTHINFO PASS ***\r\n"},
		{"GET /index.html HTTP/1.1\r\n", "GET /index.html HTTP/1.1\r\n"},
	} {
		if got := shown(trace.Sent, "tim", "tanstaaftanstaaf", tt.sent); got != tt.want {
			t.Errorf("%q is shown as %q, want %q", tt.sent, got, tt.want)
		}
	}
	if page := "The LOGIN page is here\r\n"; shown(trace.Received, "", "", page) != page {
		t.Error("a page is masked without a reason")
	}
}

// TestALoginIsKept: a login stays hidden when more of the same check is hidden.
func TestALoginIsKept(t *testing.T) {
	var tr trace.Trace
	tr.Hide("tim", "tanstaaftanstaaf")
	tr.Hide("", "a header's value")
	tr.Data(trace.Sent, []byte(base64.StdEncoding.EncodeToString([]byte("tim b913a602c7eda7a495b4e6e7334d3890"))))
	if got := tr.Events()[0].Text; got != trace.Masked {
		t.Errorf("the answer to a challenge is shown as %q", got)
	}
}

func TestBinaryIsDescribed(t *testing.T) {
	if got := shown(trace.Sent, "root", "geheim", "\x00\x01\x02geheim\xff"); got != "binary" {
		t.Errorf("with a password: %q", got)
	}
	if got := shown(trace.Sent, "", "", "\x00\x01\xff"); got != "binary 0001ff" {
		t.Errorf("without one: %q", got)
	}
}

// A secret at the end of what is held is cut, and masked all the same.
func TestSecretsAtTheEndAreMasked(t *testing.T) {
	const secret = "correct horse"
	for n := range len(secret) + 1 {
		got := shown(trace.Received, "", secret, strings.Repeat(".", trace.MaxHeld-n)+secret)
		if got = strings.Trim(got, "."); strings.Contains(got, "c") || len(got) > 2*len(trace.Masked) {
			t.Errorf("%d bytes of the secret fit, shown is %q", n, got)
		}
	}
}

func TestATraceIsBounded(t *testing.T) {
	var tr trace.Trace
	for range 100_000 {
		tr.Data(trace.Sent, []byte("a byte at a time "))
		tr.Data(trace.Received, []byte("and one back "))
		tr.Note(trace.Noted, "%s", strings.Repeat("x", 100))
	}
	size := 0
	events := tr.Events()
	for _, e := range events {
		size += len(e.Text)
	}
	if size > trace.MaxHeld || len(events) > 512 {
		t.Errorf("%d bytes in %d events", size, len(events))
	}
}

func TestNobodyAsks(t *testing.T) {
	var none *trace.Trace
	if n := testing.AllocsPerRun(100, func() {
		none.Hide("login", "passwd")
		none.Note(trace.Noted, "nothing")
		none.Data(trace.Sent, []byte("x"))
		none.Dialed("tcp", "", nil, time.Time{}, nil)
		none.Handshake(tls.ConnectionState{}, nil)
	}); n != 0 || none.Events() != nil {
		t.Errorf("%v allocations, events %v", n, none.Events())
	}
}
