package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// openConnections opens n connections to a server, which have sent text, and returns a
// function that closes them.
func openConnections(t *testing.T, network, addr, text string, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range n {
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if text != "" {
			_, _ = io.WriteString(c, text) // it may have been closed already
		}
		all = append(all, c)
	}
	return all
}

// TestIdleConnectionsAreClosed: connections without a request under way keep nobody from
// being answered, however many there are and whatever they have sent.
func TestIdleConnectionsAreClosed(t *testing.T) {
	const get = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
	for name, text := range map[string]string{
		"silent": "", "one byte": "G", "half a header": get + "X: y", "kept alive": get + "\r\n",
		"with a body that does not come": "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, tells(calm()))
			url, c := listen(t, s)
			path := inFolder(t, "s")
			if err := s.ListenControl(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			c.Timeout = 20 * time.Second
			for range 2 {
				openConnections(t, "tcp", strings.TrimPrefix(url, "http://"), text, admin.MaxConns)
				openConnections(t, "unix", path, text, admin.MaxConns)
				for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/status", "/"} {
					began := time.Now()
					if code, _, _ := ask(t, c, "GET", url+path); code != 200 {
						t.Errorf("%s: status %d", path, code)
					}
					if took := time.Since(began); took > 4*time.Second { // less than half a header may last
						t.Errorf("%s after %v", path, took)
					}
				}
				if _, err := admin.Dial(path).Status(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestPipeliningConnectionsAreClosed: neither do those that ask and do not read.
func TestPipeliningConnectionsAreClosed(t *testing.T) {
	s := newServer(t, tells(calm()))
	url, c := listen(t, s)
	addr := strings.TrimPrefix(url, "http://")
	for _, conn := range openConnections(t, "tcp", addr, "", admin.MaxConns) {
		var wg sync.WaitGroup
		defer wg.Wait()
		defer closing(t, conn)
		wg.Go(func() {
			request := strings.Repeat("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 1000)
			for {
				_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := io.WriteString(conn, request); err != nil {
					return
				}
			}
		})
	}
	for _, path := range []string{"/healthz", "/metrics", "/"} {
		c.Timeout = 20 * time.Second
		if code, _, _ := ask(t, c, "GET", url+path); code != 200 {
			t.Errorf("%s: status %d", path, code)
		}
	}
}

// large is a status whose answers no socket buffer takes.
func large(services int) director.Status {
	st := calm()
	for i := range services {
		sv := web()
		sv.Service = fmt.Sprintf("tcp 10.1.%d.%d:80", i/250, i%250)
		st.Services = append(st.Services, sv)
	}
	return st
}

// TestSlowReadersEnd: who does not read a large answer is cut off, and as long
// as he is not, no more of them are made than there may be.
func TestSlowReadersEnd(t *testing.T) {
	for path, services := range map[string]int{"/api/v1/status?pretty": 2000, "/metrics": 300} {
		s := newServer(t, tells(large(services)))
		s.SetPace(200 * time.Millisecond)
		url, c := listen(t, s)
		slow := openConnections(t, "tcp", strings.TrimPrefix(url, "http://"), "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 2*admin.MaxAnswers)
		c.Timeout = time.Minute
		// Somebody else is answered meanwhile.
		if code, _, _ := ask(t, c, "GET", url+"/healthz"); code != 200 {
			t.Errorf("%s: /healthz: status %d", path, code)
		}
		// All of them end, with an answer that is cut or the word to come back.
		var wg sync.WaitGroup
		for _, conn := range slow {
			wg.Go(func() {
				time.Sleep(time.Second) // many times its pace, before it begins to read
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				n, err := io.Copy(io.Discard, conn)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: a slow reader is still there after %d bytes", path, n)
				}
			})
		}
		wg.Wait()
		wait.For(t, path+" is answered in full", func() (string, bool) { // on a busy machine this reader is slow at times
			code, _, body, err := answered(t, c, "GET", url+path)
			return fmt.Sprintf("status %d, %d bytes, %v", code, len(body), err), err == nil && code == 200 && len(body) > 1<<20
		})
	}
}

// TestSlowReadersDelayNobody: others do not wait for the pace of slow readers.
func TestSlowReadersDelayNobody(t *testing.T) {
	s := newServer(t, tells(large(300)))
	s.SetPace(time.Minute)
	url, c := listen(t, s)
	c.Timeout = time.Minute
	openConnections(t, "tcp", strings.TrimPrefix(url, "http://"), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", admin.MaxAnswers)
	for range 20 {
		if code, _, body := ask(t, c, "GET", url+"/metrics"); code == 200 && len(body) > 1<<20 {
			return
		}
	}
	t.Error("nobody is answered beside those who do not read")
}

// TestAnswersBounded: the director is asked by so many at once and no more,
// whatever is asked for, and everybody hears something.
func TestAnswersBounded(t *testing.T) {
	var now, most atomic.Int32
	s := newServer(t, source{status: func(ctx context.Context) (director.Status, error) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		return calm(), nil
	}})
	url, c := listen(t, s)
	var wg sync.WaitGroup
	var good atomic.Int32
	for i := range 100 {
		path := []string{"/", "/api/v1/status", "/metrics", "/healthz", "/readyz"}[i%5]
		wg.Go(func() {
			resp, err := c.Get(url + path)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				good.Add(1)
			}
		})
	}
	wg.Wait()
	if most.Load() > admin.MaxAsking {
		t.Errorf("%d asked the director at once, want %d", most.Load(), admin.MaxAsking)
	}
	if good.Load() == 0 {
		t.Error("nobody was answered")
	}
}

// TestControlKept: a connection to the control socket that is kept alive is
// answered again however late.
func TestControlKept(t *testing.T) {
	s := newServer(t, tells(calm()))
	s.SetPace(10 * time.Millisecond)
	path := inFolder(t, "s")
	if err := s.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer tr.CloseIdleConnections()
	for range 3 {
		if code, _, _ := ask(t, &http.Client{Transport: tr}, "GET", "http://shunt/api/v1/status"); code != 200 {
			t.Errorf("status %d", code)
		}
		time.Sleep(30 * time.Millisecond)
	}
}
