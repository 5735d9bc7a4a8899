package sorry_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/sorry"
)

func TestRequests(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "http", RetryAfter: 2500 * time.Millisecond})
	tests := []struct {
		name, method, request string
	}{
		{"get", "GET", "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"},
		{"http 1.0", "GET", "GET / HTTP/1.0\r\n\r\n"},
		{"http 1.0 keep-alive", "GET", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
		{"head", "HEAD", "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"deep path and query", "GET", "GET /a/../../b/%2e%2e/c?d=e HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"dot segments are not redirected", "GET", "GET //a//..//b HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"empty host", "GET", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
		{"options star", "OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"absolute form", "GET", "GET http://a.example/b HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		{"connect", "GET", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"},
		{"unknown method", "FROB", "FROB / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"http 2 preface", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"small body", "POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"},
		{"expect", "POST", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"},
		{"chunked body", "POST", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{"many cookies", "GET", "GET / HTTP/1.1\r\nHost: x\r\nCookie: " + strings.Repeat("c", 20<<10) + "\r\n\r\n"},
		{"pipelined", "GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
	}
	for _, network := range []string{"tcp4", "tcp6"} {
		address := front(t, s, network)
		for _, tt := range tests {
			t.Run(network+"/"+tt.name, func(t *testing.T) {
				answer, err := exchange(t, address, tt.request)
				if err != nil {
					t.Fatal(err)
				}
				r, body := parse(t, answer, tt.method)
				checkSorry(t, r)
				if want := tt.method != "HEAD"; strings.Contains(body, "temporarily unavailable") != want {
					t.Errorf("body %q", body)
				}
				if strings.Count(answer, "HTTP/1.") != 1 {
					t.Errorf("more than one answer: %q", answer)
				}
			})
		}
	}
	if got, want := s.Stats()[service].Requests, uint64(2*len(tests)); got != want {
		t.Errorf("%d requests counted, want %d", got, want)
	}
}

func checkSorry(t *testing.T, r *http.Response) {
	t.Helper()
	if r.StatusCode != http.StatusServiceUnavailable || !r.Close {
		t.Errorf("status %d, close %v", r.StatusCode, r.Close)
	}
	want := map[string]string{
		"Retry-After":   "3",
		"Cache-Control": "no-store",
		"Content-Type":  "text/html; charset=utf-8",
	}
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if r.ContentLength <= 0 {
		t.Errorf("length %d", r.ContentLength)
	}
}

func TestStatus(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "http", Status: 200, Title: "<Shop> & Co: closed"})
	answer, err := exchange(t, front(t, s, "tcp4"), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	r, body := parse(t, answer, "GET")
	if r.StatusCode != 200 || !strings.Contains(body, "<h1>&lt;Shop&gt; &amp; Co: closed</h1>") {
		t.Errorf("status %d, body %q", r.StatusCode, body)
	}
	if n := s.Stats()[service].Bytes; n != uint64(len(answer)) {
		t.Errorf("%d bytes were counted, %d have come", n, len(answer))
	}
	if r.Header.Get("Retry-After") != "10" || !strings.Contains(body, `content="10"`) {
		t.Errorf("retry after %s, body %q", r.Header.Get("Retry-After"), body)
	}
}

// TestUploadGetsItsAnswer: a client that sends all of its body before it reads
// gets the answer, not a reset.
func TestUploadGetsItsAnswer(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{}), sorry.Site{Protocol: "http"})
	address := front(t, s, "tcp4")
	body := strings.Repeat("x", 900<<10)
	answer, err := exchange(t, address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 921600\r\n\r\n"+body)
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := parse(t, answer, "POST"); r.StatusCode != 503 {
		t.Errorf("status %d", r.StatusCode)
	}
}

// TestEndlessUploadEnds: the server reads no more of a body than its bound, so
// the upload ends, whatever its length.
func TestEndlessUploadEnds(t *testing.T) {
	s := newServer(t, sorry.NewImpatient(sorry.Options{}, 200*time.Millisecond), sorry.Site{Protocol: "http"})
	c := dial(t, front(t, s, "tcp4"))
	_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	chunk := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
	sent := 0
	for ; err == nil; sent += len(chunk) {
		_, err = io.WriteString(c, chunk)
	}
	if !isReset(err) {
		t.Errorf("ended with %v after %d bytes, want a reset", err, sent)
	}
}

// TestSlowClients: clients that send their request byte by byte, or nothing, are
// cut off.
func TestSlowClients(t *testing.T) {
	for _, protocol := range []string{"http", "none"} {
		t.Run(protocol, func(t *testing.T) {
			s := newServer(t, sorry.NewImpatient(sorry.Options{}, 200*time.Millisecond), sorry.Site{Protocol: protocol})
			address := front(t, s, "tcp4")
			silent, slow := dial(t, address), dial(t, address)
			var err error
			for err == nil {
				time.Sleep(10 * time.Millisecond)
				_, err = io.WriteString(slow, "G")
			}
			if !isReset(err) {
				t.Errorf("slow client ended with %v, want a reset", err)
			}
			if b, err := io.ReadAll(silent); err != nil && !isReset(err) {
				t.Errorf("silent client: %q, %v", b, err)
			}
			wait.Until(t, "the end of both", func() bool { return s.Stats()[service].Active == 0 })
		})
	}
}

func TestBounds(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{MaxConns: 5, MaxPerService: 3}), sorry.Site{Protocol: "http"})
	address := front(t, s, "tcp4")
	var held []net.Conn
	for range 3 {
		held = append(held, dial(t, address))
	}
	wait.Until(t, "three open connections", func() bool { return s.Stats()[service].Active == 3 })
	for range 4 {
		if err := connectOnly(t, address); !isReset(err) {
			t.Errorf("beyond the bound: %v, want a reset", err)
		}
	}
	if got := s.Stats()[service]; got.Refused != 4 || got.Connections != 3 || got.Active != 3 {
		t.Errorf("stats %+v", got)
	}
	_ = held[0].Close()
	wait.Until(t, "room", func() bool { return s.Stats()[service].Active == 2 })
	if _, err := exchange(t, address, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Errorf("after room was made: %v", err)
	}
}

// TestFlood: many more clients than the bound connect. Each gets the page or a
// reset, and nothing is left behind.
func TestFlood(t *testing.T) {
	s := newServer(t, sorry.New(sorry.Options{MaxConns: 20}), sorry.Site{Protocol: "http"})
	address := front(t, s, "tcp4")
	answers := make(chan error)
	const openConnections = 300
	for range openConnections {
		go func() {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_, err = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
			}
			var b []byte
			if err == nil {
				b, err = io.ReadAll(c)
			}
			if err == nil && !strings.HasPrefix(string(b), "HTTP/1.0 503 ") {
				err = io.ErrUnexpectedEOF
			}
			if c != nil {
				_ = c.Close()
			}
			answers <- err
		}()
	}
	served := 0
	for range openConnections {
		if err := <-answers; err == nil {
			served++
		} else if !isReset(err) {
			t.Errorf("neither page nor reset: %v", err)
		}
	}
	wait.Until(t, "the end of all", func() bool { return s.Stats()[service].Active == 0 })
	if got := s.Stats()[service]; got.Requests < uint64(served) || got.Connections+got.Refused != openConnections {
		t.Errorf("served %d, stats %+v", served, got)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	s := sorry.New(sorry.Options{})
	addresses := map[string]string{}
	for _, p := range []string{"http", "none", "dns", "smtp"} {
		if err := s.Set(service, sorry.Site{Protocol: p}); err != nil {
			t.Fatal(err)
		}
		addresses[p] = front(t, s, "tcp4")
		dial(t, addresses[p])
		wait.Until(t, "the connection", func() bool { return s.Stats()[service].Active == int64(len(addresses)) })
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats()[service].Active; got != 0 {
		t.Errorf("%d connections open after Close", got)
	}
	if err := connectOnly(t, addresses["http"]); !isReset(err) {
		t.Errorf("after Close: %v, want a reset", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
