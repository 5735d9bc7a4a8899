package text_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// A plugin of Nagios prints a line, and its level is that of the worst problem.
func TestVerdict(t *testing.T) {
	one := func(change func(*director.Status)) director.Status {
		st := fixture.Calm()
		change(&st)
		return st
	}
	server := func(change func(*director.ServerStatus)) director.Status {
		return one(func(st *director.Status) {
			st.Services[0].Servers = append(st.Services[0].Servers, st.Services[0].Servers[0])
			change(&st.Services[0].Servers[1])
		})
	}
	for name, tt := range map[string]struct {
		st    director.Status
		f     text.Filter
		level text.Level
		want  string
	}{
		"calm": {fixture.Calm(), text.Filter{}, text.Note, "SHUNT OK: its virtual service is well; its real server is up | up=1;;;0 down=0 kept=0 drained=0 maintenance=0 services=1 well=1 fallback=0 unusable=0"},
		"down": {server(func(rs *director.ServerStatus) { rs.State, rs.Since = director.Down, fixture.Before(time.Minute) }), text.Filter{}, text.Warning, "SHUNT WARNING: tcp 10.0.0.100:80 (www.example.com): 192.168.80.110:80 DOWN for 1m: "},
		"drained": {server(func(rs *director.ServerStatus) {
			rs.State, rs.Admin = director.Drain, &director.Admin{State: director.Drain, By: "al|ice", Saved: true}
		}), text.Filter{}, text.Note, "SHUNT OK: its virtual service is well; 1 of 2 real servers up, 1 drained | up=1;;;0 down=0 kept=0 drained=1"},
		"one drained of three": {one(func(st *director.Status) {
			sv := &st.Services[0]
			drained := sv.Servers[0]
			drained.Server, drained.State, drained.Current = "192.168.80.112:80", director.Drain, 0
			sv.Servers = append(sv.Servers, sv.Servers[0], drained)
		}), text.Filter{Real: "192.168.80.112:80"}, text.Note, "SHUNT OK: its virtual service is well; 0 of 1 real servers up, 1 drained | up=0;;;0 down=0 kept=0 drained=1 maintenance=0 services=1 well=1 fallback=0 unusable=0"},
		"not saved": {server(func(rs *director.ServerStatus) {
			rs.State, rs.Admin = director.Drain, &director.Admin{State: director.Drain, By: "al|ice"}
		}), text.Filter{}, text.Warning, "SHUNT WARNING: tcp 10.0.0.100:80 (www.example.com): 192.168.80.110:80 drained by al/ice never ago; NOT SAVED: a restart loses it; active"},
		"certificate": {server(func(rs *director.ServerStatus) { rs.Expires = fixture.Now.Add(13 * 24 * time.Hour) }), text.Filter{}, text.Warning, "SHUNT WARNING: tcp 10.0.0.100:80 (www.example.com): 192.168.80.110:80: its certificate expires in 13d"},
		"refused":     {one(func(st *director.Status) { st.Config.ReloadError = "x.cf:1:1: error: a\nx.cf:2:1: error: b" }), text.Filter{}, text.Critical, "SHUNT CRITICAL: configuration: RELOAD REFUSED never ago; the configuration from before stays in force | up=1"},
		"not ready":   {one(func(st *director.Status) { st.Ready, st.Unready = false, "it is stopping" }), text.Filter{}, text.Critical, "SHUNT CRITICAL: shunt: not ready: it is stopping |"},
		"no server, no fallback": {one(func(st *director.Status) {
			st.Services[0].Servers[0].State, st.Services[0].Servers[0].Current, st.Services[0].Fallback = director.Down, 0, ""
		}), text.Filter{}, text.Critical, "SHUNT CRITICAL: tcp 10.0.0.100:80 (www.example.com): no usable real server for 1d3h; no fallback; and 1 more | up=0;;;0 down=1"},
		"troubled":          {fixture.Troubled(), text.Filter{}, text.Critical, "SHUNT CRITICAL: configuration: RELOAD REFUSED 5m ago; the configuration from before stays in force; and 12 more |"},
		"a service of many": {fixture.Many(20), text.Filter{Service: "www13.example.com"}, text.Warning, "SHUNT WARNING: tcp 10.0.13.100:80 (www13.example.com): 192.168.13.130:80 DOWN for 1m35s"},
		"a well one":        {fixture.Many(20), text.Filter{Service: "10.0.12.100:80"}, text.Note, "SHUNT OK: its virtual service is well; all 3 real servers up |"},
	} {
		got, level := text.Verdict(tt.st, tt.f, fixture.Now)
		if level != tt.level || !strings.HasPrefix(got, tt.want) || strings.Count(got, "|") != 1 {
			t.Errorf("%s: level %v, %s\nwant %v, %s", name, level, got, tt.level, tt.want)
		}
	}
	if got, _ := text.Verdict(fixture.Poisoned(), text.Filter{}, fixture.Now); strings.ContainsAny(got, "\n\x1b\x00") {
		t.Errorf("a hostile line: %q", got)
	}
}

func TestFilter(t *testing.T) {
	for _, tt := range []struct {
		f                 text.Filter
		services, servers int
	}{
		{text.Filter{}, 20, 60},
		{text.Filter{Service: "tcp 10.0.3.100:80"}, 1, 3},
		{text.Filter{Service: "udp 10.0.3.100:80"}, 0, 0},
		{text.Filter{Service: "10.0.3.100:80"}, 1, 3},
		{text.Filter{Service: "10.0.3.100"}, 1, 3},
		{text.Filter{Service: "10.0.3.100:81"}, 0, 0},
		{text.Filter{Service: "www3.example.com"}, 1, 3},
		{text.Filter{Real: "192.168.3.120"}, 1, 1},
		{text.Filter{Real: "192.168.3.120:80"}, 1, 1},
		{text.Filter{Real: "192.168.3.120:8"}, 0, 0},
		{text.Filter{Real: "192.168.3.120", Service: "www4.example.com"}, 0, 0},
		{text.Filter{Down: true}, 3, 5},
		{text.Filter{Down: true, Service: "www13.example.com"}, 1, 1},
	} {
		before := fixture.Many(20)
		got, servers := tt.f.Of(before), 0
		for _, sv := range got.Services {
			servers += len(sv.Servers)
		}
		if len(got.Services) != tt.services || servers != tt.servers {
			t.Errorf("%+v: %d services with %d real servers, want %d with %d", tt.f, len(got.Services), servers, tt.services, tt.servers)
		}
		if len(before.Services) != 20 || len(before.Services[13].Servers) != 3 {
			t.Errorf("%+v changes what it is given", tt.f)
		}
	}
}
