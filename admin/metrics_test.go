package admin_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// get asks a server's public handler without opening an address.
func get(s *admin.Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Public().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// own keeps the lines about shunt, without the Go version.
func own(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "shunt_") {
			b.WriteString(strings.ReplaceAll(line, runtime.Version(), "GOVERSION"))
		}
	}
	return b.String()
}

// TestMetricsOmit: what is left out is what the words say, and the rest stays as it is.
func TestMetricsOmit(t *testing.T) {
	lines := func(words string) (all []string) {
		omit, err := admin.ParseOmit(words)
		if err != nil {
			t.Fatal(err)
		}
		s := admin.New(admin.Options{Source: tells(cluster2000()), Log: slog.New(slog.DiscardHandler), Omit: omit})
		t.Cleanup(func() { closing(t, s) })
		for line := range strings.Lines(get(s, "/metrics").Body.String()) {
			if strings.HasPrefix(line, "shunt_") {
				all = append(all, line)
			}
		}
		return all
	}
	full := lines("full")
	for words, left := range map[string]func(line string) bool{
		"nozero":          func(l string) bool { return strings.HasSuffix(l, " 0\n") },
		"services":        func(l string) bool { return strings.Contains(l, "real=") },
		"nozero,services": func(l string) bool { return strings.HasSuffix(l, " 0\n") || strings.Contains(l, "real=") },
	} {
		some := lines(words)
		there := map[string]bool{}
		for _, l := range some {
			if name, _, _ := strings.Cut(l, "{"); left(l) && (strings.HasSuffix(name, "_total") || strings.Contains(l, "real=") && words != "nozero") {
				t.Errorf("%s has %s", words, l)
			}
			there[l] = true
		}
		for _, l := range full {
			if !there[l] && !left(l) {
				t.Errorf("%s has lost %s", words, l)
			}
		}
		for _, l := range []string{"shunt_real_server_up{", "shunt_service_up{"} {
			if n := count(some, l); words == "nozero" && n != count(full, l) {
				t.Errorf("nozero has %d of %d %s…}", n, count(full, l), l)
			}
		}
		t.Logf("%s: %d of %d samples, %d of %d bytes", words, len(some), len(full), len(strings.Join(some, "")), len(strings.Join(full, "")))
		if len(some) > len(full)*9/10 {
			t.Errorf("%s leaves out %d of %d samples", words, len(full)-len(some), len(full))
		}
	}
	if _, err := admin.ParseOmit("zero"); err == nil {
		t.Error("zero is no word")
	}
}

func count(lines []string, prefix string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func TestMetricsGolden(t *testing.T) {
	w := get(newServer(t, tells(troubled())), "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	fixture.Golden(t, *update, "metrics.txt", own(w.Body.String()))
}

func TestMetricsLint(t *testing.T) {
	for name, st := range map[string]director.Status{"troubled": troubled(), "calm": calm(), "empty": {}} {
		problems, err := testutil.GatherAndLint(newServer(t, tells(st)).Gatherer())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
		}
	}
}

// Prometheus' own tool finds nothing to mend in a scrape, those metrics included that
// every Go program has.
func TestMetricsPromtool(t *testing.T) {
	promtool := need.Program(t, "promtool")
	for name, st := range map[string]director.Status{"troubled": troubled(), "calm": calm()} {
		cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		cmd.Stdin = get(newServer(t, tells(st)), "/metrics").Body
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// A scrape by a client that takes gzip is the same.
func TestMetricsGzip(t *testing.T) {
	s := newServer(t, tells(troubled()))
	want := own(get(s, "/metrics").Body.String())
	for accept, packed := range map[string]bool{"gzip": true, "deflate, GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "identity": false} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept-Encoding", accept)
		s.Public().ServeHTTP(w, r)
		body := io.Reader(w.Body)
		if (w.Header().Get("Content-Encoding") == "gzip") != packed {
			t.Fatalf("%s: Content-Encoding %q", accept, w.Header().Get("Content-Encoding"))
		}
		if packed {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, own(string(text))); diff != "" {
			t.Errorf("%s: -plain +this:\n%s", accept, diff)
		}
	}
}

// TestMetricsDocument compares METRICS.md with what is gathered, both ways.
func TestMetricsDocument(t *testing.T) {
	const path = "../METRICS.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := documented(t, newServer(t, tells(troubled())).Gatherer())
	rows := regexp.MustCompile("(?m)(^\\| `shunt_.*\n)+")
	if *update {
		text = rows.ReplaceAllLiteral(text, []byte(want))
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Join(rows.FindAllString(string(text), -1), "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-gathered +documented):\n%s", path, diff)
	}
}

// documented writes the rows of METRICS.md for all metrics of shunt.
func documented(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "shunt_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	return b.String()
}

// TestMetricsReasonsDocumented looks for every word that a reason can be.
func TestMetricsReasonsDocumented(t *testing.T) {
	text, err := os.ReadFile("../METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Reasons")
	words := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(section, -1)
	var got []string
	for _, w := range words {
		got = append(got, w[1])
	}
	want := []string{"ok", "unchecked"}
	for _, k := range []checks.Kind{
		checks.Refused, checks.Timeout, checks.Unreachable, checks.Closed, checks.TLS, checks.Auth,
		checks.Status, checks.Protocol, checks.Mismatch, checks.Command, checks.Other,
	} {
		want = append(want, string(k))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("reasons (-possible +documented):\n%s", diff)
	}
}

func TestMetricsWhenStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, stuck())
		start := time.Now()
		w := get(s, "/metrics")
		if took := time.Since(start); w.Code != http.StatusOK || took != admin.Patience {
			t.Errorf("status %d after %v, want 200 after %v", w.Code, took, admin.Patience)
		}
		got := own(w.Body.String())
		if !strings.Contains(got, "\nshunt_director_up 0\n") || strings.Contains(got, "shunt_service_info") {
			t.Errorf("want shunt_director_up 0 and nothing about services:\n%s", got)
		}
		if !strings.Contains(w.Body.String(), "go_goroutines") {
			t.Error("the runtime's metrics are missing just when they are needed")
		}
	})
}

// TestMetricsWithoutDataplane: counters that cannot be read are missing. At 0
// they would look as if they had begun anew, and later as a burst of traffic.
func TestMetricsWithoutDataplane(t *testing.T) {
	st := troubled()
	st.Dataplane.Error = "netlink: timed out"
	got := own(get(newServer(t, tells(st)), "/metrics").Body.String())
	for _, want := range []string{"shunt_dataplane_up 0", "shunt_real_server_up{", "shunt_real_server_checks_total{", "shunt_service_apply_error{"} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	if bad := regexp.MustCompile(`(?m)^shunt_(service|real_server)_\w*(bytes|packets|connect)\w*{`).FindString(got); bad != "" {
		t.Errorf("%s is still there", bad)
	}
}

// TestMetricsHostile has whatever a configuration might bring: the same
// service and real server twice, names that are no UTF-8, a reload error.
func TestMetricsHostile(t *testing.T) {
	st := troubled()
	st.Services = append(st.Services, st.Services[0])
	st.Services[1].Servers = append(st.Services[1].Servers, st.Services[1].Servers...)
	st.Services[2].Name = "caf\xe9 \"\n{}"
	st.Dataplane.Reason = "\xff"
	s := newServer(t, tells(st))
	if _, err := s.Gatherer().Gather(); err != nil {
		t.Fatal(err)
	}
	got := get(s, "/metrics").Body.String()
	if want := `name="caf` + "\uFFFD" + ` \"\n{}"`; !strings.Contains(got, want) {
		t.Errorf("no %s in\n%s", want, own(got))
	}
}

// TestMetricsForget: what a reload takes away leaves nothing behind.
func TestMetricsForget(t *testing.T) {
	st := troubled()
	src := tells(st)
	current := &st
	src.status = func(context.Context) (director.Status, error) { return *current, nil }
	s := newServer(t, src)
	get(s, "/metrics")
	after := calm()
	current = &after
	got := own(get(s, "/metrics").Body.String())
	for _, gone := range []string{"10.0.0.100:25", "192.168.80.120:80"} {
		if strings.Contains(got, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
}
