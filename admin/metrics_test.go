package admin_test

import (
	"context"
	"fmt"
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
