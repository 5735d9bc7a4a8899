package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/files"
)

// A parser makes a Config of the lines of a file and of those that it includes.
type parser struct {
	*collector
	*names
	cfg      *Config
	before   *Config          // in force, nil for none
	globals  *lines           // outside of sections
	lines    map[string]place // of the services so far
	total    int              // of real servers so far
	sections int
}

// defaults returns the settings of an empty file.
func defaults() Global {
	return Global{
		Settings: Settings{
			CheckTimeout:     5 * time.Second,
			NegotiateTimeout: 30 * time.Second,
			CheckInterval:    10 * time.Second,
			FastInterval:     10 * time.Second,
			DownInterval:     10 * time.Second,
			CheckCount:       1,
			FailureCount:     1,
			RiseCount:        1,
			EmailAlertStatus: AlertAll,
			CleanStop:        true,
			DrainTimeout:     30 * time.Second,
			SorryStatus:      503,
			OnDown:           "keep",
			Observe:          "none",
			CheckPath:        "direct",
			Options:          dataplane.Options{ErrorLimit: 10},
			InitState:        InitKernel,
			Quorum:           1,
			MaxDown:          100,
		},
		StateMaxAge: 7 * day,
		Origins:     Origins{},
	}
}

// global reads the lines outside of sections. They apply to all sections,
// wherever they stand.
func (p *parser) global(all *lines) {
	g := &p.cfg.Global
	*g = defaults()
	p.globals = all
	t := target{g: g, s: &g.Settings, o: g.Origins}
	for s := range all.all() {
		p.apply(s, t)
	}
	timeouts(&g.Settings, g.Origins)
	intervals(&g.Settings, g.Origins)
}

// apply applies one line.
func (p *parser) apply(s *stmt, t target) {
	d := byName[s.key]
	if old := t.o[s.key]; old.set() && !d.repeats {
		p.warn(s, s.keyAt, fmt.Sprintf("`%s` has been set on line %d", s.key, old.Pos.Line), "this line counts; remove the other")
	}
	f := &field{collector: p.collector, stmt: *s, global: t.v == nil}
	ok := false
	switch {
	case !d.late:
		ok = d.set(f, t)
	case t.v == nil:
		ok = p.globalFallback(f, t)
	}
	if ok {
		t.o[d.name] = Origin{Pos: p.pos(s, s.keyAt)}
	}
}

func (p *parser) globalFallback(f *field, t target) (ok bool) {
	at := &t.s.Fallback
	if f.key == "fallback6" {
		at = &t.g.Fallback6
	}
	*at, ok = p.fallback(f, 0, 0)
	return ok
}

// set reports whether a line of the scope itself set the value.
func (o Origin) set() bool { return o.Pos.Line > 0 && o.Note == "" }

// given reports whether a line set the value, there or in the globals.
func (o Origin) given() bool { return o.Pos.Line > 0 && (o.Note == "" || o.Note == "global") }

// timeouts sets each of the two timeouts to the other where only that one is set.
func timeouts(s *Settings, o Origins) {
	check, negotiate := o["checktimeout"], o["negotiatetimeout"]
	switch {
	case check.set() && !negotiate.set():
		s.NegotiateTimeout = s.CheckTimeout
		o["negotiatetimeout"] = Origin{Pos: check.Pos, Note: derived + "checktimeout"}
	case negotiate.set() && !check.set():
		s.CheckTimeout = s.NegotiateTimeout
		o["checktimeout"] = Origin{Pos: negotiate.Pos, Note: derived + "negotiatetimeout"}
	}
}

// intervals sets the intervals that are not given to checkinterval.
func intervals(s *Settings, o Origins) {
	if !o["fastinterval"].given() {
		s.FastInterval = s.CheckInterval
		derive(o, "fastinterval", "checkinterval")
	}
	if !o["downinterval"].given() {
		s.DownInterval = s.CheckInterval
		derive(o, "downinterval", "checkinterval")
	}
}

func derive(o Origins, name, from string) {
	if src, ok := o[from]; ok {
		o[name] = Origin{Pos: src.Pos, Note: derived + from}
	}
}

// inherit returns a section with the defaults and the global settings.
func inherit(g *Global, six bool) *Virtual {
	v := &Virtual{
		Settings: g.Settings, CheckCommand: "/bin/true", CommandWeight: "no", Request: "/", HTTPMethod: "GET", HTTPVersion: 1, Scheduler: "wrr",
		PersistentBits: fullBits(six), Origins: Origins{},
	}
	v.EmailAlert = slices.Clone(g.EmailAlert)
	for name, o := range maps.All(g.Origins) {
		if byName[name].scope&inSection == 0 || byName[name].late {
			continue
		}
		note := "global"
		if o.Note != "" {
			note += ", " + o.Note
		}
		v.Origins[name] = Origin{Pos: o.Pos, Note: note}
	}
	v.Fallback = nil
	return v
}

func isDir(path string) bool {
	info, err := files.Stat(path)
	return err == nil && info.IsDir()
}
