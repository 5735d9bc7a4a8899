package changes

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse(t.Context(), "a.cf", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const base = `checkinterval=10
virtual=10.0.0.1:80
	real=10.0.0.11:80 masq 1
	real=10.0.0.12:80 masq 1
	service=http
	request="/"
	login=monitor
	passwd=secret
	scheduler=wrr
virtual=10.0.0.2:80
	checkinterval=7
	real=10.0.0.11:80 masq 1
`

// TestBetween: what a line changes is told once, where the operator has written it.
func TestBetween(t *testing.T) {
	one, two := "tcp 10.0.0.1:80", "tcp 10.0.0.2:80"
	for name, c := range map[string]struct {
		old, fresh string // in base
		want       Changes
	}{
		"nothing":         {"", "", Changes{Sections: []Section{}, Kept: 2}},
		"a comment":       {"scheduler=wrr", "scheduler=wrr\n\t# for now", Changes{Sections: []Section{}, Kept: 2}},
		"other lines":     {"checkinterval=10\n", "\n\n\ncheckinterval=10\n", Changes{Sections: []Section{}, Kept: 2}},
		"the default now": {"\tscheduler=wrr\n", "", Changes{Sections: []Section{}, Kept: 2}},
		"a global": {"checkinterval=10", "checkinterval=5", Changes{
			Sections: []Section{{Name: "global", What: Changed, Values: []Value{{"checkinterval", "10", "5"}}}}, Kept: 2,
		}},
		"a global and one's own": {"\tcheckinterval=7\n", "\tcheckinterval=8\n", Changes{
			Sections: []Section{{Name: two, What: Changed, Reals: 1, Values: []Value{{"checkinterval", "7", "8"}}}}, Kept: 1,
		}},
		"one's own no more": {"\tcheckinterval=7\n", "", Changes{
			Sections: []Section{{Name: two, What: Changed, Reals: 1, Values: []Value{{"checkinterval", "7", "10"}}}}, Kept: 1,
		}},
		"a scheduler": {"scheduler=wrr", "scheduler=rr", Changes{
			Sections: []Section{{Name: one, What: Changed, Reals: 2, Values: []Value{{"scheduler", "wrr", "rr"}}}}, Kept: 1,
		}},
		"a password": {"passwd=secret", "passwd=better", Changes{
			Sections: []Section{{Name: one, What: Changed, Reals: 2, Values: []Value{{"passwd", "***", "***"}}}}, Kept: 1,
		}},
		"a weight": {"real=10.0.0.12:80 masq 1", "real=10.0.0.12:80 masq 5", Changes{
			Sections: []Section{{Name: one, What: Changed, Reals: 2, Values: []Value{{
				"real 10.0.0.12:80", "masq 1; check http http://10.0.0.12:80/", "masq 5; check http http://10.0.0.12:80/",
			}}}}, Kept: 1,
		}},
		"another server": {"real=10.0.0.12:80 masq 1", "real=10.0.0.13:80 masq 1", Changes{
			Sections: []Section{{Name: one, What: Changed, Reals: 2, Values: []Value{
				{"real 10.0.0.13:80", "", "masq 1; check http http://10.0.0.13:80/"}, {"real 10.0.0.12:80", "masq 1; check http http://10.0.0.12:80/", ""},
			}}}, Kept: 1,
		}},
		"another service": {"virtual=10.0.0.2:80", "virtual=10.0.0.3:80", Changes{
			Sections: []Section{{Name: "tcp 10.0.0.3:80", What: Added, Reals: 1}, {Name: two, What: Removed, Reals: 1}}, Kept: 1,
		}},
	} {
		got := Between(parse(t, base), parse(t, strings.Replace(base, c.old, c.fresh, 1)))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

// TestBetweenEqualFiles: a file differs in nothing from itself, also one that has a real
// server twice, and from an empty one in all of its services.
func TestBetweenEqualFiles(t *testing.T) {
	texts := []string{base, "", "virtual=10.0.0.1:80\n\treal=10.0.0.11:80 masq 1\n\treal=10.0.0.11:80 masq 2\n"}
	names, err := filepath.Glob("../testdata/*/*.cf")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	compared := 0
	for _, text := range texts {
		c, err := config.Parse(t.Context(), "a.cf", []byte(text), config.Options{})
		if err != nil {
			continue
		}
		compared++
		if got := Between(c, c); len(got.Sections) > 0 || got.Kept != len(c.Virtuals) {
			t.Errorf("%s\ndiffers from itself in %+v", text, got)
		}
		if added, _, _ := Between(parse(t, ""), c).Count(); added != len(c.Virtuals) {
			t.Errorf("%s\n%d services are added, want %d", text, added, len(c.Virtuals))
		}
	}
	if compared < 5 {
		t.Errorf("only %d files can be read", compared)
	}
}
