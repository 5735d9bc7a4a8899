package page_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin/internal/curves"
	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/page"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // as the fixtures
	leak.Main(m)
}

// show returns the page of a status, by the clock of the fixtures.
func show(t *testing.T, st director.Status) *page.Page {
	t.Helper()
	p := page.New(page.Options{
		Version: "1.2.3", Host: "lvs1", Now: func() time.Time { return fixture.Now }, Curves: drawn().Of,
		Status: func(context.Context) (director.Status, error) { return st, nil },
	})
	t.Cleanup(p.Close)
	return p
}

// drawn are curves of the services of the fixtures.
func drawn() *curves.Curves {
	c := curves.New()
	for i := range uint64(60) {
		web, mail := fixture.Web(), fixture.Mail()
		web.Counters = dataplane.Counters{Connections: 500 * i * i, Failures: 3 * i * (i % 3)}
		web.CheckDurations = director.Histogram{Buckets: map[float64]uint64{0.001: 10 * i, 0.0025: 30 * i}, Count: 30 * i}
		c.Add(fixture.Now.Add(time.Duration(i)*curves.Every), director.Status{Services: []director.ServiceStatus{web, mail}})
	}
	return c
}

func get(p *page.Page) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w
}

func TestPageEscapes(t *testing.T) {
	body := get(show(t, fixture.Poisoned())).Body.String()
	if n := strings.Count(body, "&lt;script&gt;alert(1)"); n < 20 {
		t.Errorf("only %d of the hostile strings are shown", n)
	}
	for _, bad := range []string{"<script>alert", "<img"} {
		if strings.Contains(body, bad) {
			t.Errorf("%s gets through", bad)
		}
	}
	if !strings.HasSuffix(body, "</html>\n") {
		t.Error("the page breaks off")
	}
}

// TestPagePolicy: the policy names what is inline on the page, and nothing
// else would run.
func TestPagePolicy(t *testing.T) {
	body := get(show(t, fixture.Troubled())).Body.String()
	for _, tag := range []string{"style", "script"} {
		parts := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(body, -1)
		if len(parts) != 1 {
			t.Fatalf("%d times %s", len(parts), tag)
		}
		sum := sha256.Sum256([]byte(parts[0][1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(page.Policy, want) {
			t.Errorf("no %s in %s", want, page.Policy)
		}
	}
	if bad := regexp.MustCompile(`\s(style|on[a-z]+)=`).FindString(body); bad != "" {
		t.Errorf("an attribute that the policy forbids: %q", bad)
	}
}

func TestPageTells(t *testing.T) {
	body := get(show(t, fixture.Troubled())).Body.String()
	for _, want := range []string{
		"1.2.3 on lvs1", `<time id="asof" datetime="2026-03-14T15:09:26Z" data-nanoseconds="1773500966000000000">2026-03-14 15:09:26 UTC</time>`,
		"1 of 3 virtual services well", `<span class="bad">not ready</span>`,
		"auto: the kernel has no IPVS", "RELOAD REFUSED 5m ago", "ldirectord.cf:12:2: error: unknown directive",
		"not served as configured: listen udp", "address already in use", "fallback active",
		"connect 192.168.80.120:80: connection refused", "file /etc/ha.d/maintenance/web3", "82.1 GiB out",
		`<noscript><meta http-equiv="refresh"`, "no real server is left",
		"another machine claims 10.0.0.100", "192.168.80.130:80: it claims",
		"waiting 2, refused 3 (unreachable 2, queue 1), denied 12, throttled 7, cut 5", "connections 20000 of 20000, clients waited 17 times<br>flows 812 of 65536, evicted 9",
		"FULL: new connections wait", "waiting for 1 that it names", "no address found for",
		"<title>connections of the last 29m30s: now 1950/s, at most 1950/s</title>",
		"check time <b>≤ 2.5ms</b>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Index(body, "no real server is left") > strings.LastIndex(body, "2026-03-14 15:07:51") {
		t.Error("the latest transition is not first")
	}
	if strings.Index(body, `id="problems"`) > strings.Index(body, `id="services"`) {
		t.Error("problems do not come first")
	}
	if body := get(show(t, director.Status{})).Body.String(); !strings.Contains(body, "No virtual services.") {
		t.Error("an empty status shows nothing")
	}
}

// Of many services those with problems are open.
func TestPageOfMany(t *testing.T) {
	body := get(show(t, fixture.Many(1000))).Body.String()
	if all, open := strings.Count(body, "<details"), strings.Count(body, `" open>`); all != 1000 || open != 3 {
		t.Errorf("%d services of which %d are open", all, open)
	}
	if body := get(show(t, fixture.Many(40))).Body.String(); strings.Count(body, `" open>`) != 40 {
		t.Error("few services are not open")
	}
}

func TestPageWithoutStatus(t *testing.T) {
	p := page.New(page.Options{Status: func(context.Context) (director.Status, error) { return director.Status{}, errors.New("it is <stuck>") }})
	defer p.Close()
	w := get(p)
	if body := w.Body.String(); w.Code != http.StatusServiceUnavailable || !strings.Contains(body, "it is &lt;stuck&gt;") || strings.Contains(body, "No virtual services") {
		t.Errorf("status %d: %s", w.Code, body)
	}
}

// A thousand services cost a fraction of a second.
func BenchmarkPageOfMany(b *testing.B) {
	st := fixture.Many(1000)
	p := page.New(page.Options{Status: func(context.Context) (director.Status, error) { return st, nil }})
	defer p.Close()
	for b.Loop() {
		b.SetBytes(int64(get(p).Body.Len()))
	}
}
