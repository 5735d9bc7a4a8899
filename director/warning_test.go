package director

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director/internal/prober"
)

// Warnings are logged when they begin and when they end, and not between; they
// take nothing out of use, and outlive a reload.
func TestWarnings(t *testing.T) {
	var log bytes.Buffer
	c := newCluster(&effectLog{}, slog.New(slog.NewTextHandler(&log, nil)))
	v := gateService(vip, rs1, rs2)
	c.configure(t0, conf(v), nil)
	sv := c.services[0]
	one, whole := Warning{Service: v.ID, Server: netip.MustParseAddrPort(rs1), Text: "it answers"}, Warning{Service: v.ID, Text: "another machine"}
	logged := func() []string {
		var lines []string
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "warning=") {
				lines = append(lines, line)
			}
		}
		log.Reset()
		return lines
	}
	said := func() (texts []string) {
		st := sv.status()
		return slices.Concat(st.Warnings, st.Servers[0].Warnings, st.Servers[1].Warnings)
	}
	expect := func(what string, lines int, texts ...string) {
		t.Helper()
		if got := logged(); len(got) != lines {
			t.Errorf("%s: %d lines of the log, want %d: %q", what, len(got), lines, got)
		}
		if got := said(); !slices.Equal(got, texts) {
			t.Errorf("%s: warnings %q, want %q", what, got, texts)
		}
	}
	result := func(text string, err error) {
		c.observe(member{sv: sv, s: sv.servers[1]}, prober.Result{At: t0, Err: err, Note: &checks.Note{Warning: text}})
		c.catchUp()
	}
	warn(c.services, []Warning{one, whole}, c.log)
	expect("two begin", 2, "another machine", "it answers")
	warn(c.services, []Warning{one, whole}, c.log)
	expect("nothing new", 0, "another machine", "it answers")
	result("too large", nil)
	expect("a check warns", 1, "another machine", "it answers", "too large")
	result("too large", nil)
	result("", errors.New("down"))
	expect("a check that fails says nothing of it", 0, "another machine", "it answers", "too large")
	if st := sv.servers[0].state(); sv.servers[0].health.Fails > 0 {
		t.Errorf("a warning has counted as a failure: %s", st)
	}
	c.configure(t0, conf(v), nil)
	sv = c.services[0]
	expect("a reload", 0, "another machine", "it answers", "too large")
	result("", nil)
	warn(c.services, []Warning{one}, c.log)
	expect("two end", 2, "it answers")
	result("too large", nil)
	plain := v
	plain.CheckPath = ""
	c.configure(t0, conf(plain), nil)
	sv = c.services[0]
	expect("without checkpath", 1, "it answers")
	warn(c.services, nil, c.log)
	expect("the last ends", 1)
}
