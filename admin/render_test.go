package admin_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
)

func render(t *testing.T, st director.Status, o admin.RenderOptions) string {
	t.Helper()
	o.Now = now
	var b strings.Builder
	if err := admin.Render(&b, st, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRenderGolden(t *testing.T) {
	for name, c := range map[string]struct {
		st director.Status
		o  admin.RenderOptions
	}{
		"status-calm-80.txt":      {calm(), admin.RenderOptions{Width: 80}},
		"status-troubled-120.txt": {troubled(), admin.RenderOptions{Width: 120}},
		"status-troubled-80.txt":  {ipv4(troubled()), admin.RenderOptions{Width: 80}},
		"status-troubled.txt":     {troubled(), admin.RenderOptions{}},
		"status-color.txt":        {troubled(), admin.RenderOptions{Width: 120, Color: true}},
		"status-empty.txt":        {director.Status{}, admin.RenderOptions{Width: 80}},
	} {
		golden(t, name, render(t, c.st, c.o))
	}
}

// ipv4 leaves the service with IPv6 addresses out.
func ipv4(st director.Status) director.Status {
	st.Services = []director.ServiceStatus{st.Services[0], st.Services[2]}
	return st
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestRenderWidth(t *testing.T) {
	for width, st := range map[int]director.Status{80: ipv4(troubled()), 100: ipv4(troubled()), 120: troubled()} {
		for line := range strings.Lines(render(t, st, admin.RenderOptions{Width: width, Color: true})) {
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
	got := render(t, poisoned(), admin.RenderOptions{Width: 100})
	if strings.ContainsAny(got, "\x1b\x00") {
		t.Error("control characters get through")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRenderWriteError(t *testing.T) {
	if err := admin.Render(broken{}, calm(), admin.RenderOptions{}); err == nil {
		t.Error("no error")
	}
}

func TestFormats(t *testing.T) {
	for want, got := range map[string]string{
		"never":    admin.Ago(now, time.Time{}),
		"0s":       admin.Ago(now, now.Add(time.Minute)),
		"59s":      admin.Ago(now, before(59*time.Second+900*time.Millisecond)),
		"1m":       admin.Ago(now, before(time.Minute)),
		"1m1s":     admin.Ago(now, before(61*time.Second)),
		"1h":       admin.Ago(now, before(time.Hour+59*time.Second)),
		"23h59m":   admin.Ago(now, before(24*time.Hour-time.Second)),
		"400d1h":   admin.Ago(now, before(400*24*time.Hour+time.Hour)),
		"12µs":     admin.Took(12345 * time.Nanosecond),
		"3.1ms":    admin.Took(3141 * time.Microsecond),
		"1.23s":    admin.Took(1234 * time.Millisecond),
		"1023 B":   admin.Size(1023),
		"1.0 KiB":  admin.Size(1024),
		"1.0 MiB":  admin.Size(1<<20 - 1),
		"16.0 EiB": admin.Size(1<<64 - 1),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
