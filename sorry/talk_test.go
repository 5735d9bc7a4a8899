package sorry_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/sorry"
)

func TestLines(t *testing.T) {
	tests := []struct{ protocol, want4, want6 string }{
		{
			"smtp", "421 [127.0.0.1] Service not available, closing transmission channel\r\n",
			"421 [IPv6:::1] Service not available, closing transmission channel\r\n",
		},
		{
			"submission", "421 [127.0.0.1] Service not available, closing transmission channel\r\n",
			"421 [IPv6:::1] Service not available, closing transmission channel\r\n",
		},
		{"ftp", "421 Service not available, closing control connection.\r\n", ""},
		{"imap", "* BYE [UNAVAILABLE] Service temporarily unavailable\r\n", ""},
		{"pop", "-ERR [SYS/TEMP] Service temporarily unavailable\r\n", ""},
		{"nntp", "400 Service temporarily unavailable\r\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.protocol, func(t *testing.T) {
			s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: tt.protocol})
			if tt.want6 == "" {
				tt.want6 = tt.want4
			}
			for network, want := range map[string]string{"tcp4": tt.want4, "tcp6": tt.want6} {
				// Eager clients must get the line as well as patient ones.
				for _, eager := range []string{"", "EHLO x\r\n"} {
					got, err := exchange(t, front(t, s, network), eager)
					if err != nil || got != want {
						t.Errorf("%s: %q, %v; want %q", network, got, err, want)
					}
				}
			}
			if got := s.Stats()[service].Lines; got != 4 {
				t.Errorf("%d lines counted, want 4", got)
			}
		})
	}
}

func TestResets(t *testing.T) {
	for _, protocol := range []string{"https", "imaps", "pops", "ldap", "ldaps", "mysql", "oracle", "pgsql", "radius", "sip"} {
		t.Run(protocol, func(t *testing.T) {
			s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: protocol})
			if err := connectOnly(t, front(t, s, "tcp4")); !isReset(err) {
				t.Errorf("%v, want a reset", err)
			}
			if got := s.Stats()[service].Resets; got != 1 {
				t.Errorf("%d resets counted", got)
			}
		})
	}
}

func TestGuess(t *testing.T) {
	for _, protocol := range []string{"none", "", "simpletcp", "a future protocol"} {
		s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: protocol})
		address := front(t, s, "tcp4")
		// The request is sent byte by byte. No byte that was peeked at may be lost.
		c := dial(t, address)
		for _, b := range []byte("GET /x HTTP/1.1\r\nHost: x\r\n\r\n") {
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
			t.Errorf("%q: %q, %v", protocol, answer, err)
		}
		for _, request := range []string{"\x16\x03\x01\x02\x00\x01", "SSH-2.0-x\r\n", "a1 NOOP\r\n", "*1\r\n$4\r\nPING\r\n", "GET key\r\n"} {
			if b, err := exchange(t, address, request); !isReset(err) {
				t.Errorf("%q: %q answered with %q, %v; want a reset", protocol, request, b, err)
			}
		}
	}
}

// A client that waits for the server to speak first is not kept.
func TestGuessSilent(t *testing.T) {
	s := newServer(t, sorry.NewImpatient(sorry.Options{}, 100*time.Millisecond), sorry.Site{Protocol: "none"})
	if err := connectOnly(t, front(t, s, "tcp4")); !isReset(err) {
		t.Errorf("%v, want a reset", err)
	}
}

func TestUnknownService(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "http"})
	address := front(t, s, "tcp4")
	if _, err := exchange(t, address, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	s.Forget(service)
	if err := connectOnly(t, address); !isReset(err) {
		t.Errorf("after Forget: %v, want a reset", err)
	}
	if got := s.Answer(service, query(t, false)); got != nil {
		t.Errorf("after Forget: %x", got)
	}
	if got := len(s.Stats()); got != 0 {
		t.Errorf("%d services after Forget", got)
	}
}

func FuzzLooksLikeHTTP(f *testing.F) {
	for _, seed := range []string{"", "G", "GET", "GET ", "GET /", "GET h", "get /", "CONNECT a", "\x16\x03", "PROPFIND /", "M-SEARCH *"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		// A verdict is final: more bytes never change it.
		settled := 1
		for i := range len(head) + 1 {
			v := sorry.LooksLikeHTTP(head[:i])
			if settled != 1 && v != settled {
				t.Fatalf("%q: %d at %d bytes, %d before", head, v, i, settled)
			}
			settled = v
		}
		if settled == 1 && len(head) >= 32 {
			t.Fatalf("%q: undecided after %d bytes", head, len(head))
		}
		if settled == 2 && !strings.Contains(string(head), " ") {
			t.Fatalf("%q: taken for HTTP", head)
		}
	})
}
