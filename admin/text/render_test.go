package text_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

func render(t *testing.T, st director.Status, o text.Options) string {
	t.Helper()
	o.Now, o.Host = fixture.Now, "lvs1"
	var b strings.Builder
	if err := text.Render(&b, st, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRenderGolden(t *testing.T) {
	for name, c := range map[string]struct {
		st director.Status
		o  text.Options
	}{
		"status-calm-80.txt":      {fixture.Calm(), text.Options{Width: 80}},
		"status-troubled-120.txt": {fixture.Troubled(), text.Options{Width: 120}},
		"status-troubled-80.txt":  {ipv4(fixture.Troubled()), text.Options{Width: 80}},
		"status-troubled.txt":     {fixture.Troubled(), text.Options{}},
		"status-color.txt":        {fixture.Troubled(), text.Options{Width: 120, Color: true}},
		"status-ordered-100.txt":  {fixture.Ordered(), text.Options{Width: 100}},
		"status-many-80.txt":      {fixture.Many(1000), text.Options{Width: 80}},
		"status-service-80.txt":   {fixture.Many(1000), text.Options{Width: 80, Filter: text.Filter{Service: "www13.example.com"}}},
		"status-down-80.txt":      {fixture.Many(1000), text.Options{Width: 80, Filter: text.Filter{Down: true}}},
		"status-empty.txt":        {director.Status{}, text.Options{Width: 80}},
	} {
		fixture.Golden(t, *update, name, render(t, c.st, c.o))
	}
}

// ipv4 leaves the service with IPv6 addresses out.
func ipv4(st director.Status) director.Status {
	st.Services = []director.ServiceStatus{st.Services[0], st.Services[2]}
	return st
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestRenderWidth(t *testing.T) {
	for width, st := range map[int]director.Status{80: ipv4(fixture.Troubled()), 100: ipv4(fixture.Troubled()), 120: fixture.Troubled()} {
		for line := range strings.Lines(render(t, st, text.Options{Width: width, Color: true})) {
			line = strings.TrimRight(escapes.ReplaceAllString(line, ""), "\n")
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("%d columns instead of %d: %s", n, width, line)
			}
			if strings.HasSuffix(line, " ") {
				t.Errorf("blanks at the end of %q", line)
			}
		}
	}
}

func TestRenderHostile(t *testing.T) {
	got := render(t, fixture.Poisoned(), text.Options{Width: 100})
	if strings.ContainsAny(got, "\x1b\x00") {
		t.Error("control characters get through")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRenderWriteError(t *testing.T) {
	if err := text.Render(broken{}, fixture.Calm(), text.Options{}); err == nil {
		t.Error("no error")
	}
}

func TestFormats(t *testing.T) {
	for want, got := range map[string]string{
		"never":    text.Ago(fixture.Now, time.Time{}),
		"0s":       text.Ago(fixture.Now, fixture.Now.Add(time.Minute)),
		"59s":      text.Ago(fixture.Now, fixture.Before(59*time.Second+900*time.Millisecond)),
		"1m":       text.Ago(fixture.Now, fixture.Before(time.Minute)),
		"1m1s":     text.Ago(fixture.Now, fixture.Before(61*time.Second)),
		"1h":       text.Ago(fixture.Now, fixture.Before(time.Hour+59*time.Second)),
		"23h59m":   text.Ago(fixture.Now, fixture.Before(24*time.Hour-time.Second)),
		"400d1h":   text.Ago(fixture.Now, fixture.Before(400*24*time.Hour+time.Hour)),
		"12µs":     text.Took(12345 * time.Nanosecond),
		"3.1ms":    text.Took(3141 * time.Microsecond),
		"1.23s":    text.Took(1234 * time.Millisecond),
		"1023 B":   text.Size(1023),
		"1.0 KiB":  text.Size(1024),
		"1.0 MiB":  text.Size(1<<20 - 1),
		"16.0 EiB": text.Size(1<<64 - 1),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A server in a slow start has the weight of the configuration, and a share of
// it in force.
func TestSlowStart(t *testing.T) {
	st := fixture.Calm()
	st.Services[0].Servers[0].SlowStart = 0.4
	if got := render(t, st, text.Options{Width: 80}); !strings.Contains(got, "\n    slow start 40%\n") {
		t.Errorf("no word of the slow start:\n%s", got)
	}
}

// However much is wrong, the summary comes first, and what follows is short unless all
// is wanted.
func TestRenderMany(t *testing.T) {
	st := fixture.Many(1000)
	for i := range st.Services {
		for j := range st.Services[i].Servers {
			st.Services[i].Servers[j].State = director.Down
		}
	}
	got := render(t, st, text.Options{Width: 80})
	if n := strings.Count(got, "\n"); n > 200 {
		t.Errorf("%d lines", n)
	}
	if !strings.HasPrefix(got, "shunt on lvs1: 0 of 1000 virtual services well, 999 without a usable real") {
		t.Errorf("it begins with %.200s", got)
	}
	for _, want := range []string{"and 3960 more; --all", "more virtual services; --all"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(render(t, st, text.Options{Width: 80, All: true}), "  DOWN "); n != 3000 {
		t.Errorf("with --all %d real servers", n)
	}
}
