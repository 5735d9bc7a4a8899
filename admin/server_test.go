package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// listen serves s on loopback and returns its URL and a client without
// connections of its own.
func listen(t testing.TB, s *admin.Server) (string, *http.Client) {
	t.Helper()
	addr, err := s.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + addr.String(), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

func ask(t testing.TB, c *http.Client, method, url string) (int, http.Header, string) {
	t.Helper()
	code, header, body, err := answered(t, c, method, url)
	if err != nil {
		t.Fatal(err)
	}
	return code, header, body
}

// answered is ask for one whose answer may be cut.
func answered(t testing.TB, c *http.Client, method, url string) (code int, header http.Header, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer closing(t, resp.Body)
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(all), err
}

func TestRoutes(t *testing.T) {
	url, c := listen(t, newServer(t, tells(calm())))
	for _, r := range []struct {
		method, path string
		code         int
		kind, body   string // prefix of the type, part of the body
	}{
		{"GET", "/", 200, "text/html", "<!doctype html>"},
		{"HEAD", "/", 200, "text/html", ""},
		{"GET", "/metrics", 200, "text/plain", "shunt_director_up 1"},
		{"HEAD", "/metrics", 200, "text/plain", ""},
		{"GET", "/healthz", 200, "text/plain", "ok\n"},
		{"GET", "/api/v1/connections", 404, "", ""},
		{"GET", "/readyz", 200, "text/plain", "ok\n"},
		{"GET", "/api/v1/status", 200, "application/json", `{"api":1,"version":"1.2.3","started":"2026-03-14T14:09:26Z",`},
		{"GET", "/api/v1/status?pretty", 200, "application/json", "{\n  \"api\": 1,\n  \"version\": \"1.2.3\",\n  \"started\": \"2026-03-14T14:09:26Z\",\n"},
		{"GET", "/api/v1/schema", 200, "application/schema+json", `"title": "shunt API, version 1"`},
		{"POST", "/", 405, "text/plain", ""},
		{"POST", "/metrics", 405, "text/plain", ""},
		{"DELETE", "/api/v1/status", 405, "text/plain", ""},
		{"POST", "/api/v1/reload", 403, "application/json", "this address takes no orders"},
		{"POST", "/api/v1/orders", 403, "application/json", "this address takes no orders"},
		{"POST", "/api/v1/fallback", 403, "application/json", "this address takes no orders"},
		{"GET", "/api/v1/reload", 405, "text/plain", ""},
		{"GET", "/debug/pprof/", 404, "text/plain", ""},
		{"GET", "/index.html", 404, "text/plain", ""},
	} {
		code, h, body := ask(t, c, r.method, url+r.path)
		if code != r.code || !strings.HasPrefix(h.Get("Content-Type"), r.kind) || !strings.Contains(body, r.body) {
			t.Errorf("%s %s: %d %s %.60q, want %d %s %q", r.method, r.path, code, h.Get("Content-Type"), body, r.code, r.kind, r.body)
		}
		if r.method == "HEAD" && body != "" {
			t.Errorf("HEAD %s has a body", r.path)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: headers %v", r.method, r.path, h)
		}
	}
}

func TestListenTCPv6(t *testing.T) {
	s := newServer(t, tells(calm()))
	addr, err := s.ListenTCP(t.Context(), "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if code, _, _ := ask(t, c, "GET", "http://"+addr.String()+"/healthz"); code != 200 {
		t.Errorf("status %d", code)
	}
}

func TestListenTCPTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, ln)
	_, err = newServer(t, tells(calm())).ListenTCP(t.Context(), ln.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "admin address "+ln.Addr().String()) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestReady(t *testing.T) {
	loading := calm()
	loading.Config.Loaded = time.Time{}
	stopping := calm()
	stopping.Ready, stopping.Unready = false, "shunt is stopping"
	vague := calm()
	vague.Ready = false
	for _, c := range []struct {
		name string
		st   director.Status
		code int
		want string
	}{
		{"calm", calm(), 200, "ok\n"},
		{"before the configuration", loading, 503, "no configuration is in force yet\n"},
		{"while it stops", stopping, 503, "shunt is stopping\n"},
		{"not served", troubled(), 503, troubled().Unready + "\n"},
		{"not ready without a reason", vague, 503, "shunt does not say why it is not ready\n"},
	} {
		w := get(newServer(t, tells(c.st)), "/readyz")
		if w.Code != c.code || w.Body.String() != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.name, w.Code, w.Body, c.code, c.want)
		}
	}
}

// TestHealthIsNotReadiness: bad real servers and a refused reload are no
// reason to kill the director.
func TestHealthIsNotReadiness(t *testing.T) {
	if w := get(newServer(t, tells(troubled())), "/healthz"); w.Code != 200 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestStuck(t *testing.T) {
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/status", "/"} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, stuck())
			start := time.Now()
			w := get(s, path)
			if took := time.Since(start); w.Code != 503 || took != admin.Patience {
				t.Errorf("%s: status %d after %v, want 503 after %v", path, w.Code, took, admin.Patience)
			}
			if want := "the director has not answered for 3s"; !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: no %q in %s", path, want, w.Body)
			}
		})
	}
}

// TestStuckWorker: /healthz says at once that a worker of the proxy is stuck, and
// which, and the metrics say for how long.
func TestStuckWorker(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		code int
		text string
	}{
		{1900 * time.Millisecond, 200, "ok\n"},
		{2 * time.Second, 503, "worker 3 of the proxy has not run its event loop for 2s\n"},
		{time.Minute, 503, "worker 3 of the proxy has not run its event loop for 1m0s\n"},
	} {
		st := calm()
		st.Dataplane.Load = &dataplane.Load{Worker: 3, LoopAge: c.age}
		s := newServer(t, tells(st))
		if w := get(s, "/healthz"); w.Code != c.code || w.Body.String() != c.text {
			t.Errorf("%v: %d %q, want %d %q", c.age, w.Code, w.Body, c.code, c.text)
		}
		want := fmt.Sprintf("shunt_proxy_oldest_loop_age_seconds %v\n", c.age.Seconds())
		if w := get(s, "/metrics"); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%v: no %q in the metrics", c.age, want)
		}
	}
}

func TestStatusRefused(t *testing.T) {
	src := source{status: func(context.Context) (director.Status, error) {
		return director.Status{}, errors.New("the director is closed")
	}}
	s := newServer(t, src)
	for _, path := range []string{"/healthz", "/api/v1/status", "/"} {
		w := get(s, path)
		if want := "the director does not tell its status: the director is closed"; w.Code != 503 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestScrapesDuringClose: every scrape gets a whole answer or none, and Close
// returns with all of them gone.
func TestScrapesDuringClose(t *testing.T) {
	s := newServer(t, tells(troubled()))
	url, c := listen(t, s)
	started := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				resp, err := c.Get(url + "/metrics")
				if err != nil {
					return // closed
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err == nil && resp.StatusCode == 200 && !strings.Contains(string(body), "shunt_start_timestamp_seconds") {
					t.Errorf("half an answer:\n%s", own(string(body)))
				}
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 32 {
		<-started
	}
	var closers sync.WaitGroup
	for range 2 {
		closers.Go(func() { _ = s.Close() })
	}
	closers.Wait()
	wg.Wait()
}

// TestCloseWhileStuck: a director that does not answer and a client that does
// not ask keep nobody from closing.
func TestCloseWhileStuck(t *testing.T) {
	for _, path := range []string{"/api/v1/status", "/metrics"} {
		asked, ended := make(chan struct{}), make(chan error, 1)
		s := newServer(t, source{status: func(ctx context.Context) (director.Status, error) {
			close(asked)
			<-ctx.Done()
			ended <- ctx.Err()
			return director.Status{}, ctx.Err()
		}})
		url, c := listen(t, s)
		mute, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if resp, err := c.Get(url + path); err == nil {
				_ = resp.Body.Close()
			}
		})
		<-asked
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Close has waited for the director: %v", path, err)
		}
		if _, err := mute.Read(make([]byte, 1)); err == nil {
			t.Error("the connection without a request is still open")
		}
		closing(t, mute)
	}
}

// TestCloseWhileUnread: neither does one who does not read the answer.
func TestCloseWhileUnread(t *testing.T) {
	asked := make(chan struct{})
	s := newServer(t, source{status: func(context.Context) (director.Status, error) {
		close(asked)
		return director.Status{Config: director.ConfigStatus{ReloadError: strings.Repeat("long ", 1<<20)}}, nil
	}})
	path := t.TempDir() + "/s"
	if err := s.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, c)
	if _, err := io.WriteString(c, "GET /api/v1/status HTTP/1.1\r\nHost: shunt\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestListenAfterClose(t *testing.T) {
	s := newServer(t, tells(calm()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ListenTCP(t.Context(), "127.0.0.1:0"); err == nil {
		t.Error("a closed server listens")
	}
	path := t.TempDir() + "/s"
	if err := s.ListenControl(t.Context(), path); err == nil {
		t.Error("a closed server listens")
	}
	if left := entries(t, path); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func BenchmarkScrape(b *testing.B) {
	s := newServer(b, tells(cluster2000()))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.Public().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
}

// scrapeLimit is the processor time that a scrape of 2,000 real servers may take.
const scrapeLimit = 100 * time.Millisecond

// A scrape of 2,000 real servers takes less than a tenth of a second. Of several the
// cheapest counts, in processor time: other programs run beside the test.
func TestScrapeOf2000(t *testing.T) {
	runtime.LockOSThread() // whose time is taken
	defer runtime.UnlockOSThread()
	s := newServer(t, tells(cluster2000()))
	least, size := time.Hour, 0
	for range 20 {
		w := httptest.NewRecorder()
		before := processorTime(t)
		s.Public().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		least, size = min(least, processorTime(t)-before), w.Body.Len()
		if least < scrapeLimit/2 {
			break
		}
	}
	if n := strings.Count(get(s, "/metrics").Body.String(), "\nshunt_real_server_up{"); n < 2000 {
		t.Fatalf("%d real servers in the answer", n)
	}
	t.Logf("%v of processor time for %d bytes", least, size)
	if limit := scrapeLimit * raceFactor; least > limit {
		t.Errorf("a scrape takes %v of processor time, want %v at most", least, limit)
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cluster2000 is a status with 2,000 real servers.
func cluster2000() director.Status {
	st := calm()
	for range 10 {
		sv := web()
		sv.Service += string(rune('a' + len(st.Services)))
		for len(sv.Servers) < 200 {
			r := sv.Servers[len(sv.Servers)%3]
			r.Server += string(rune('0' + len(sv.Servers)))
			sv.Servers = append(sv.Servers, r)
		}
		st.Services = append(st.Services, sv)
	}
	return st
}
