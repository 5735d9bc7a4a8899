package page_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/page"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// pictures is where the browser's pictures are left, to be looked at.
const pictures = "../../bin/pictures"

// A browser is a Chromium without a window, spoken to by its DevTools protocol.
type browser struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
	id      int
	events  []string // what the page complained about
}

// newBrowser starts one that ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	need.Programs(t, "chromium")
	dir := t.TempDir()
	process.Start(t, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--remote-debugging-port=0", "--remote-allow-origins=*", "--user-data-dir="+dir, "about:blank")
	var where []string
	wait.Until(t, "the browser", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "DevToolsActivePort"))
		where = strings.Split(string(b), "\n")
		return err == nil && len(where) == 2
	})
	conn, err := websocket.Dial("ws://127.0.0.1:"+where[0]+where[1], "", "http://127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	b := &browser{t: t, conn: conn}
	var target struct{ TargetID, SessionID string }
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.do(domain+".enable", nil, nil)
	}
	b.do("Page.addScriptToEvaluateOnNewDocument", map[string]any{
		"source": `window.violations = []; addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI))`,
	}, nil)
	return b
}

// do calls a method and reads its result, and events before it.
func (b *browser) do(method string, params, result any) {
	b.t.Helper()
	b.id++
	call := map[string]any{"id": b.id, "method": method, "params": params}
	if params == nil {
		delete(call, "params")
	}
	if b.session != "" {
		call["sessionId"] = b.session
	}
	_ = b.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if err := websocket.JSON.Send(b.conn, call); err != nil {
		b.t.Fatal(err)
	}
	for {
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := websocket.JSON.Receive(b.conn, &m); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		switch {
		case m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown":
			b.events = append(b.events, string(m.Params))
		case m.ID != b.id:
		case m.Error != nil:
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		case result != nil:
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v: %s", method, err, m.Result)
			}
			return
		default:
			return
		}
	}
}

// eval returns the value of an expression in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	var got struct {
		Result           struct{ Value T }
		ExceptionDetails *struct{ Text string }
	}
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, got.ExceptionDetails.Text)
	}
	return got.Result.Value
}

// open shows a page of a width, and waits until its stream has begun.
func (b *browser) open(url string, width int, scheme string) {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.do("Page.navigate", map[string]any{"url": url}, nil)
	b.until("the page", `document.readyState === "complete" && !document.getElementById("search").hidden`)
}

// until waits until an expression is true.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	wait.Until(b.t, what, func() bool { return eval[bool](b, "!!("+expression+")") })
}

// press presses a key once.
func (b *browser) press(key, code string, text string) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		params := map[string]any{"type": kind, "key": key, "code": code}
		if key == "Tab" {
			params["windowsVirtualKeyCode"] = 9
		}
		if kind == "keyDown" && text != "" {
			params["text"] = text
		}
		b.do("Input.dispatchKeyEvent", params, nil)
	}
}

// picture keeps the whole page as a file.
func (b *browser) picture(name string) {
	b.t.Helper()
	var shot struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.MkdirAll(pictures, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(pictures, name), png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// A site serves a page as admin does, with a status that a test changes.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	status director.Status
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{status: fixture.Calm()}
	curves := drawn()
	p := page.New(page.Options{Version: "1.2.3", Host: "lvs1", Curves: curves.Of, Status: func(context.Context) (director.Status, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.status, nil
	}})
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", p)
	mux.HandleFunc("GET /api/v1/stream", p.Stream)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", page.Policy)
		mux.ServeHTTP(w, r)
	}))
	// Streams outlive both.
	s.Config.ReadTimeout, s.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	s.Start()
	t.Cleanup(func() {
		p.Close()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *site) set(st director.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = st
}

// The page in a browser.
func TestPageInBrowser(t *testing.T) {
	b := newBrowser(t)
	in := func(test func(*testing.T)) func(*testing.T) {
		return func(t *testing.T) { b.t = t; test(t) }
	}
	t.Run("looks", in(b.looks))
	t.Run("follows", in(b.follows))
	t.Run("clock", in(b.clock))
}

// looks checks that there is nothing that the policy forbids, no sideways scrolling, light and
// dark, at a desk and on a phone.
func (b *browser) looks(t *testing.T) {
	s := newSite(t)
	for name, st := range map[string]director.Status{"calm": fixture.Calm(), "troubled": fixture.Troubled(), "ordered": fixture.Ordered()} {
		s.set(st)
		for _, look := range []struct {
			name, scheme string
			width        int
		}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"phone", "dark", 360}} {
			b.open(s.URL, look.width, look.scheme)
			if wide := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
				t.Errorf("%s, %s: %d pixels too wide", name, look.name, wide)
			}
			if v := eval[[]string](b, "violations"); len(v) > 0 {
				t.Errorf("%s, %s: against the policy: %q", name, look.name, v)
			}
			b.picture(fmt.Sprintf("page-%s-%s.png", name, look.name))
		}
	}
	if len(b.events) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(b.events, "\n"))
	}
}

// follows checks that what changes appears without the page being loaded again, and what the reader has
// closed, focused or searched for stays as it is.
func (b *browser) follows(t *testing.T) {
	s := newSite(t)
	st := fixture.Ordered()
	st.Services[0].Servers = st.Services[0].Servers[:1]
	s.set(st)
	b.open(s.URL, 1280, "light")
	eval[bool](b, `document.getElementById("s1").open = false; window.same = true; document.getElementById("s0-0").focus(); true`)
	before := eval[string](b, "asof.dateTime")
	s.set(fixture.Ordered())
	began := time.Now()
	b.until("the drained server", `document.querySelector("#s0 td.drain")`)
	t.Logf("a drain is seen after %v", time.Since(began).Round(time.Millisecond))
	b.until("a later time", fmt.Sprintf("asof.dateTime > %q", before))
	if !eval[bool](b, `same && !document.getElementById("s1").open && document.activeElement.id === "s0-0"`) {
		t.Error("the page was loaded anew, a service has opened, or the focus is lost")
	}
	b.press("/", "Slash", "/")
	if !eval[bool](b, `document.activeElement === search && search.value === ""`) {
		t.Error("/ does not lead to the search")
	}
	b.do("Input.insertText", map[string]any{"text": "192.168.80.130 www"}, nil)
	if got := eval[string](b, `[...document.querySelectorAll(".service")].map((d) => d.hidden).join()`); got != "false,true" {
		t.Errorf("hidden services: %s", got)
	}
	b.press("Escape", "Escape", "")
	if got := eval[string](b, `[...document.querySelectorAll(".service")].map((d) => d.hidden).join()`); got != "false,false" {
		t.Errorf("hidden services after Escape: %s", got)
	}
	b.reaches("search", "s0-head", "s0-0", "s1-head")
	s.CloseClientConnections()
	s.Listener.Close()
	b.until("that nothing is heard", `document.body.classList.contains("lost")`)
	b.picture("page-lost.png")
}

// clock checks that the time of the page keeps its zone, that of the machine of shunt, by
// its stream and without one.
func (b *browser) clock(t *testing.T) {
	time.Local = time.FixedZone("NPT", 5*60*60+45*60)
	t.Cleanup(func() { time.Local = time.UTC })
	s := newSite(t)
	b.open(s.URL, 1280, "light")
	before := eval[string](b, "asof.dateTime")
	b.until("a later time", fmt.Sprintf("asof.dateTime > %q", before))
	for _, how := range []string{`""`, `(asof.textContent = "", refresh())`} {
		got := eval[[]string](b, fmt.Sprintf(`(async () => { await %s; return [asof.dateTime, asof.textContent] })()`, how))
		at, err := time.Parse(time.RFC3339, got[0])
		if want := at.Local().Format("2006-01-02 15:04:05 NPT"); err != nil || got[1] != want {
			t.Errorf("%s: as of %q, %v, want %q", how, got, err, want)
		}
	}
}

// reaches checks that the tab key leads to elements in this order.
func (b *browser) reaches(ids ...string) {
	b.t.Helper()
	eval[bool](b, `document.activeElement.blur(); window.getSelection().removeAllRanges(); document.body.tabIndex = -1; document.body.focus(); true`)
	var seen []string
	for range 30 {
		b.press("Tab", "Tab", "")
		seen = append(seen, eval[string](b, "document.activeElement.id"))
	}
	left := ids
	for _, id := range seen {
		if len(left) > 0 && id == left[0] {
			left = left[1:]
		}
	}
	if len(left) > 0 {
		b.t.Errorf("the tab key does not lead to %q in this order: %q", ids, seen)
	}
}
