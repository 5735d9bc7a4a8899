package director

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// TestLevels: what has to be looked at is a warning, what nobody is served by is an
// error, and what gets better, or was asked for, is neither.
func TestLevels(t *testing.T) {
	with := func(change func(v *config.Virtual)) config.Virtual {
		v := virtual(vip, rs1, rs2)
		change(&v)
		return v
	}
	plain := func(*config.Virtual) {}
	const noServer, again = "no usable real server", "usable real server again"
	for _, tt := range []struct {
		name   string
		v      config.Virtual
		before func(r *replay)
		event  func(r *replay)
		want   []string // level and a part of each line, in order
	}{
		{
			"one goes down", with(plain), bothUp, func(r *replay) { r.result(rs1, errBad) },
			[]string{"WARN real=" + rs1 + " from=up to=down"},
		},
		{
			"the last one goes down", with(plain), oneDown, func(r *replay) { r.result(rs2, errBad) },
			[]string{"WARN real=" + rs2 + " from=up to=down", "ERROR " + noServer + ".*fallback=none"},
		},
		{
			"the fallback takes over", with(func(v *config.Virtual) { v.Fallback = fallback("127.0.0.1:80") }), oneDown, func(r *replay) { r.result(rs2, errBad) },
			[]string{"WARN real=" + rs2, "ERROR " + noServer + ".*fallback=127.0.0.1:80", `WARN real="fallback 127.0.0.1:80" from=standby to=active`},
		},
		{
			"recovery", with(func(v *config.Virtual) { v.Fallback = fallback("127.0.0.1:80") }), bothDown, func(r *replay) { r.result(rs2, nil) },
			[]string{"INFO real=" + rs2 + " from=down to=up", "INFO " + again, "INFO from=active to=standby"},
		},
		{
			"said once", with(plain), bothDown, func(r *replay) { r.result(rs2, errBad) }, nil,
		},
		{
			"down from the start", with(plain), func(*replay) {}, func(r *replay) { r.result(rs1, errBad) },
			[]string{"WARN down from the start"},
		},
		{
			"all down from the start", with(plain), func(r *replay) { r.result(rs1, errBad) }, func(r *replay) { r.result(rs2, errBad) },
			[]string{"WARN down from the start", "ERROR " + noServer},
		},
		{
			"the quorum is lost", with(func(v *config.Virtual) { v.Quorum = 2 }), bothUp, func(r *replay) { r.result(rs1, errBad) },
			[]string{"WARN real=" + rs1, "WARN real=quorum from=reached to=lost"},
		},
		{
			"the quorum is back", with(func(v *config.Virtual) { v.Quorum = 2 }), oneDown, func(r *replay) { r.result(rs1, nil) },
			[]string{"INFO real=" + rs1, "INFO real=quorum from=lost to=reached"},
		},
		{
			"kept", with(func(v *config.Virtual) { v.MaxDown = 50 }), oneDown, func(r *replay) { r.result(rs2, errBad) },
			[]string{"WARN real=" + rs2 + " from=up to=kept"},
		},
		{
			"maintenance", with(plain), bothUp, func(r *replay) { orders{r.c}.maintain(r.now, map[string]string{rs1: "/m/web1"}) },
			[]string{"INFO real=" + rs1 + " from=up to=maintenance"},
		},
		{
			"maintenance of the last one", with(plain), oneDown, func(r *replay) { orders{r.c}.maintain(r.now, map[string]string{rs2: "/m/web2"}) },
			[]string{"INFO real=" + rs2 + " from=up to=maintenance", "ERROR " + noServer},
		},
		{
			"slow start", with(func(v *config.Virtual) { v.SlowStart = time.Minute }), oneDown, func(r *replay) { r.result(rs1, nil) },
			[]string{"INFO slow start begins", "INFO real=" + rs1 + " from=down to=up"},
		},
		{
			"not served as wanted", with(plain), bothUp, func(r *replay) { r.c.applied(r.now, r.c.services[0].conf.ID, nil, errBad) },
			[]string{"ERROR not served as wanted"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReplay(t, conf(tt.v))
			tt.before(r)
			var log bytes.Buffer
			r.listen(&log)
			tt.event(r)
			lines := strings.FieldsFunc(log.String(), func(c rune) bool { return c == '\n' })
			if len(lines) != len(tt.want) {
				t.Fatalf("got\n%s\nwant %q", log.String(), tt.want)
			}
			for i, want := range tt.want {
				level, part, _ := strings.Cut(want, " ")
				if part, after, _ := strings.Cut(part, ".*"); !strings.Contains(lines[i], "level="+level+" ") || !strings.Contains(lines[i], part) || !strings.Contains(lines[i], after) {
					t.Errorf("got %s\nwant %s", lines[i], want)
				}
			}
		})
	}
}

func bothUp(r *replay)   { r.result(rs1, nil); r.result(rs2, nil) }
func oneDown(r *replay)  { bothUp(r); r.result(rs1, errBad) }
func bothDown(r *replay) { oneDown(r); r.result(rs2, errBad) }

// listen has the cluster log to b from now on.
func (r *replay) listen(b *bytes.Buffer) {
	log := slog.New(slog.NewTextHandler(b, nil))
	r.c.log, r.c.reports.log, r.c.reports.history.log = log, log, log
}

// With checktype=off nobody expects real servers to serve.
func TestNoServerIsNoErrorWithoutChecks(t *testing.T) {
	var log bytes.Buffer
	v := virtual(vip, rs1)
	v.CheckType = config.CheckOff
	r := &replay{t: t, c: newCluster(&effectLog{}, quiet()), now: t0}
	r.listen(&log)
	r.c.configure(r.now, conf(v), nil)
	if r.c.services[0].usable() || strings.Contains(log.String(), "ERROR") {
		t.Errorf("log: %s", log.String())
	}
}
