// Package prometheus holds the rules for Prometheus to what shunt has.
package prometheus

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/internal/test/need"
)

const (
	rulesFile = "shunt.rules.yml"
	testsFile = "shunt.rules_test.yml"
)

// A rule is one alert, as it stands in the file.
type rule struct{ name, expr, after, severity, summary string }

var alert = regexp.MustCompile(`(?m)^ +- alert: (\w+)\n +expr: (.+)\n(?: +for: (\w+)\n)? +labels:\n +severity: (\w+)\n +annotations:\n +summary: "(.+)"$`)

func rules(t *testing.T) (all []rule, text string) {
	t.Helper()
	b, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range alert.FindAllStringSubmatch(string(b), -1) {
		all = append(all, rule{m[1], m[2], m[3], m[4], m[5]})
	}
	if n := strings.Count(string(b), "- alert:"); len(all) != n || n == 0 {
		t.Fatalf("%d of %d alerts were read", len(all), n)
	}
	return all, string(b)
}

// The rules are good, and each alert comes when it should and not before. A rule
// that never comes, or always, does not pass.
func TestRules(t *testing.T) {
	promtool := need.Program(t, "promtool")
	run := func(dir string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", rulesFile}, {"test", "rules", testsFile}} {
		if out, err := run(".", args...); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	tests, err := os.ReadFile(testsFile)
	if err != nil {
		t.Fatal(err)
	}
	all, text := rules(t)
	for _, wrong := range []string{"vector(0) > 1", "vector(1)"} {
		dir := t.TempDir()
		changed := regexp.MustCompile("expr: .*").ReplaceAllLiteralString(text, "expr: "+wrong)
		for name, b := range map[string]string{rulesFile: changed, testsFile: string(tests)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, _ := run(dir, "test", "rules", testsFile)
		for _, r := range all {
			if !strings.Contains(out, "alertname: "+r.name+",") {
				t.Errorf("%s passes its test with expr: %s", r.name, wrong)
			}
		}
	}
}

// METRICS.md has each metric that a rule asks for, and a row for each alert.
func TestRulesDocumented(t *testing.T) {
	text, err := os.ReadFile("../../METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := rules(t)
	var want strings.Builder
	plain := strings.NewReplacer("{{ $labels.", "", "{{ $value | humanizeDuration }}", "a duration", "{{ $value }}", "a number", " }}", "")
	for _, r := range all {
		for _, name := range regexp.MustCompile(`shunt_\w+`).FindAllString(r.expr, -1) {
			if !strings.Contains(string(text), "\n| `"+name+"` |") {
				t.Errorf("%s asks for %s, which is not in METRICS.md", r.name, name)
			}
		}
		after := r.after
		if after == "" {
			after = "at once"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", r.name, r.severity, after, plain.Replace(r.summary))
	}
	got := strings.Join(regexp.MustCompile("(?m)^\\| `Shunt.*\n").FindAllString(string(text), -1), "")
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("-rules +documented:\n%s", diff)
	}
}
