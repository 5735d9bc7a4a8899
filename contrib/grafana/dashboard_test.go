// Package grafana holds the dashboard for Grafana to what shunt has.
package grafana

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
)

type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ H, W, X, Y int }
	Targets []struct{ Expr string }
	Panels  []panel
}

type dashboard struct {
	Title, UID string
	Panels     []panel
	Templating struct {
		List []struct {
			Name  string
			Query any
		}
	}
}

func read(t *testing.T) (d dashboard, text string) {
	t.Helper()
	b, err := os.ReadFile("shunt.json")
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, string(b)
}

// TestDashboard: METRICS.md has every metric that the dashboard asks for, with the labels
// that it asks by; each variable is defined and used; panels have titles and do not overlap.
func TestDashboard(t *testing.T) {
	d, text := read(t)
	document, err := os.ReadFile("../../METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{} // labels by metric
	for _, m := range regexp.MustCompile("(?m)^\\| `(shunt_[a-z_]+)` \\| \\w+ \\| ([a-z, ]*) \\|").FindAllStringSubmatch(string(document), -1) {
		rows[m[1]] = regexp.MustCompile(`, *`).Split(strings.TrimSpace(m[2]), -1)
	}
	asked := regexp.MustCompile(`shunt_[a-z_]+`).FindAllString(text, -1)
	if len(asked) < 20 {
		t.Fatalf("%d metrics are asked for", len(asked))
	}
	for _, name := range asked {
		if rows[name] == nil && rows[strings.TrimSuffix(name, "_bucket")] == nil {
			t.Errorf("METRICS.md has no %s", name)
		}
	}
	defined := map[string]bool{"__rate_interval": true, "__all": true}
	for _, v := range d.Templating.List {
		defined[v.Name] = true
		if !strings.Contains(text, "$"+v.Name) && !strings.Contains(text, "${"+v.Name+"}") {
			t.Errorf("nothing uses the variable %s", v.Name)
		}
	}
	for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(text, -1) {
		if !defined[m[1]] {
			t.Errorf("the variable %s is not defined", m[1])
		}
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if p.Title == "" || ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d, %q, at %+v", p.ID, p.Title, p.GridPos)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%q and %q overlap", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q asks for nothing", p.Title)
		}
	}
}

// TestExpressions: promtool can read each question of the dashboard.
func TestExpressions(t *testing.T) {
	promtool := need.Program(t, "promtool")
	d, _ := read(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	n := 0
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			expr := strings.ReplaceAll(q.Expr, "$__rate_interval", "1m")
			quoted, err := json.Marshal(expr)
			if err != nil {
				t.Fatal(err)
			}
			n++
			rules.WriteString("  - record: dashboard:question:" + strings.Repeat("x", n) + "\n    expr: " + string(quoted) + "\n")
		}
	}
	if n < 20 {
		t.Fatalf("the dashboard has %d questions", n)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
