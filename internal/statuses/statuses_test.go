package statuses_test

import (
	"testing"

	"github.com/shunt-lb/shunt/internal/statuses"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"200": "200", "200-299,401": "200-299,401", " 200 - 299 , 401 ": "200-299,401", "599": "599", "200-200": "200-200",
	} {
		if got, err := statuses.Parse(text); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":        "`` is no status and no range of them",
		"20":      "`20` is no status and no range of them",
		"2xx":     "`2xx` is no status and no range of them",
		"0200":    "`0200` is no status and no range of them",
		"600":     "`600` is no status and no range of them",
		"+20":     "`+20` is no status and no range of them",
		"200,":    "`` is no status and no range of them",
		"200-":    "`200-` is no status and no range of them",
		"299-200": "the range 299-200 ends before it begins",
		"100":     "100 is no final status: another one follows it",
	} {
		if _, err := statuses.Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for status, want := range map[int]bool{199: false, 200: true, 250: true, 299: true, 300: false, 400: false, 401: true, 402: false} {
		if statuses.Match("200-299,401", status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { statuses.Match("200-299,401", 401) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
