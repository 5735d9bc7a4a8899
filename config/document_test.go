package config

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/services"
)

var documentRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\| ((?:[^|]|\\\\\\|)+) \\| ([^|]+) \\| (.+) \\|$")

// TestDocument holds CONFIGURATION.md to the table: every directive with its
// scope and default, and no other.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, row := range documentRow.FindAllStringSubmatch(directivesPart(t, string(text)), -1) {
		name, scope, def, doc := row[1], row[2], row[4], row[5]
		seen[name]++
		d := byName[name]
		if d == nil {
			t.Errorf("%s is documented and no directive", name)
			continue
		}
		if scope != scopeWord(d.scope) {
			t.Errorf("%s has scope %q in the document, want %q", name, scope, scopeWord(d.scope))
		}
		if def != d.def {
			t.Errorf("%s has default %q in the document, want %q", name, def, d.def)
		}
		if own := strings.Contains(doc, "shunt's own"); own != d.own {
			t.Errorf("%s: the document says it is shunt's own: %v, want %v", name, own, d.own)
		}
	}
	for _, d := range table {
		if seen[d.name] != 1 {
			t.Errorf("%s is documented %d times", d.name, seen[d.name])
		}
	}
	for _, name := range slices.Concat(services.Names(), schedulers, schedFlags) {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("`%s` is not in the document", name)
		}
	}
}

// directivesPart is the part between the headings Directives and Services by port.
func directivesPart(t *testing.T, text string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## Directives\n")
	part, _, closed := strings.Cut(rest, "\n## Services by port\n")
	if !ok || !closed {
		t.Fatal("the document has no part on directives")
	}
	return part
}

func scopeWord(s scope) string {
	switch s {
	case inGlobal:
		return "G"
	case inSection:
		return "V"
	case both:
		return "G V"
	}
	return "begins a section"
}
