package alert_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/internal/alert"
)

// closed is a channel that says that there is one attempt alone.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func TestPost(t *testing.T) {
	var got, kind string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, kind = r.Method+" "+r.URL.Path+" "+string(body), r.Header.Get("Content-Type")
		if user, passwd, _ := r.BasicAuth(); user != "u" || passwd != "hidden" {
			t.Errorf("user %q, password %q", user, passwd)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	url := strings.Replace(s.URL, "http://", "http://u:hidden@", 1) + "/x"
	if err := alert.Post(t.Context(), closed, url, nil, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if got != `POST /x {"a":1}` || kind != "application/json" {
		t.Errorf("the receiver got %s of type %s", got, kind)
	}
}

// Certificates are verified, by the system's authorities or those that are
// given.
func TestPostOverTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	s.Config.ErrorLog = nil
	if err := alert.Post(t.Context(), closed, s.URL, nil, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	if err := alert.Post(t.Context(), closed, s.URL, pool, nil); err != nil {
		t.Error(err)
	}
}

// Redirects are followed on the same host with the same method alone.
func TestPostRedirected(t *testing.T) {
	var others atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { others.Add(1) }))
	defer other.Close()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/there", func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) != "event" || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) })
	mux.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if err := alert.Post(t.Context(), nil, s.URL+"/same", nil, []byte("event")); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/loop", "/get", "/other"} {
		if err := alert.Post(t.Context(), nil, s.URL+path, nil, []byte("event")); err == nil || !strings.Contains(err.Error(), "a redirect that is not followed") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n := others.Load(); n != 0 {
		t.Errorf("another host was asked %d times", n)
	}
}

// TestPostAgain: a receiver's trouble is tried again with growing pauses and given up
// within a minute; an error that does not get better is given up at once.
func TestPostAgain(t *testing.T) {
	for _, tt := range []struct {
		status, attempts int
		took             time.Duration
	}{{500, 5, 33 * time.Second}, {429, 5, 33 * time.Second}, {404, 1, 0}, {200, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			began := time.Now()
			err := alert.PostOverPipes(t.Context(), nil, "http://user:hidden@hooks.test/hidden", func(conn net.Conn) {
				attempts++
				r := make([]byte, 4096)
				_, _ = conn.Read(r)
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", tt.status)
			})
			if attempts != tt.attempts || time.Since(began) != tt.took || (err == nil) != (tt.status == 200) {
				t.Errorf("status %d: %d attempts in %s: %v", tt.status, attempts, time.Since(began), err)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("the URL is shown: %v", err)
			}
		})
	}
}

// At a stop there is one more attempt, at once.
func TestPostAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		last := make(chan struct{})
		time.AfterFunc(2*time.Second, func() { close(last) })
		began := time.Now()
		if err := alert.PostOverPipes(t.Context(), last, "http://hooks.test/", func(net.Conn) { attempts++ }); err == nil {
			t.Error("no error")
		}
		if attempts != 3 || time.Since(began) != 2*time.Second {
			t.Errorf("%d attempts in %s", attempts, time.Since(began))
		}
	})
}

// With any receiver one attempt is over in five seconds, holds little memory,
// leaves nothing behind and reports nothing of the URL.
func TestPostToHostileReceivers(t *testing.T) {
	receivers := map[string]func(net.Conn){
		"silent": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"closes": func(net.Conn) {},
		"drips": func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("H")); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		},
		"endless headers": func(c net.Conn) { pour(c, "HTTP/1.1 200 OK\r\n", "X-More: more\r\n") },
		"endless line":    func(c net.Conn) { pour(c, "HTTP/1.1 200 OK\r\nX: ", "more") },
		"endless body": func(c net.Conn) { // an answer before the request is none at all
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				return
			}
			pour(c, "HTTP/1.1 200 OK\r\n\r\n", "more")
		},
		"endless chunks": func(c net.Conn) { pour(c, "HTTP/1.1 500 NO\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nmore\r\n") },
		"dripping body": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 500 NO\r\nContent-Length: 1000000\r\n\r\n")
			for {
				if _, err := c.Write([]byte(".")); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		},
		"no HTTP":          func(c net.Conn) { _, _ = io.WriteString(c, "\x1b[2J/hidden\r\n") },
		"interim for ever": func(c net.Conn) { pour(c, "", "HTTP/1.1 102 Wait\r\n\r\n") },
	}
	for name, serve := range receivers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				serve(conn)
				_ = conn.Close()
			}()
			began := time.Now()
			err = alert.Post(t.Context(), closed, "http://user:hidden@"+ln.Addr().String()+"/hidden?hidden", nil, []byte("{}"))
			if took := time.Since(began); took > 7*time.Second {
				t.Errorf("it took %s", took)
			}
			if good := name == "endless body"; good != (err == nil) {
				t.Errorf("error %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "user:") || len(err.Error()) > 600) {
				t.Errorf("the error is %q", err)
			}
			_ = ln.Close()
			<-done
		})
	}
}

// The answer of an endless receiver does not stay in memory.
func TestPostIsBoundedInMemory(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				pour(conn, "HTTP/1.1 200 OK\r\n", "X-More: "+strings.Repeat("more", 1000)+"\r\n")
			}()
		}
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		if err := alert.Post(t.Context(), closed, "http://"+ln.Addr().String()+"/", nil, nil); err == nil {
			t.Fatal("headers without an end are a good answer")
		}
	}
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) / 20; grown > 1<<20 {
		t.Errorf("an attempt allocates %d bytes", grown)
	}
}

func TestPostCancelled(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := alert.Post(ctx, nil, "http://"+ln.Addr().String()+"/", nil, nil); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

func pour(c net.Conn, head, more string) {
	_, _ = io.WriteString(c, head)
	for b := []byte(strings.Repeat(more, 1+(16<<10)/len(more))); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}
