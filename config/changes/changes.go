// Package changes compares two configurations.
package changes

import (
	"maps"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config"
)

// Changes are what a configuration has that another has not. Its JSON form is that of
// the API.
type Changes struct {
	// Sections are those that differ: the globals, then virtual services in the order
	// of the new configuration, and those that are gone in the order of the old one.
	Sections []Section `json:"sections"`
	// Kept is how many virtual services have nothing new of their own.
	Kept int `json:"kept"`
}

// A Section is the globals or a virtual service.
type Section struct {
	// Name is Global, or the service as the status names it.
	Name string `json:"name"`
	What What   `json:"what"`
	// Reals is how many real servers the service has, or had if it is gone.
	Reals int `json:"reals,omitempty"`
	// Values are those that differ, of a section that is there before and after. What
	// a section inherits stands with the globals alone.
	Values []Value `json:"values,omitempty"`
}

// Global is the name of the globals, as [config.Explain] has it.
const Global = "global"

// A What says what has become of a section.
type What string

// The fates of sections.
const (
	Added   What = "added"
	Changed What = "changed"
	Removed What = "removed"
)

// A Value is a directive, or a real server. Before or After is empty where there is
// none. Both are "***" if they may not be shown.
type Value struct {
	Directive string `json:"directive"` // "scheduler", "real 10.0.0.1:80"
	Before    string `json:"before,omitempty"`
	After     string `json:"after,omitempty"`
}

// Between compares the configuration in force with another one.
func Between(before, after *config.Config) Changes {
	old, fresh := config.Explain(before), config.Explain(after)
	c := Changes{Sections: []Section{}}
	inherited := map[string]bool{}
	if values := settings(old[0], fresh[0], inherited); len(values) > 0 {
		c.Sections = append(c.Sections, Section{Name: Global, What: Changed, Values: values})
		for _, v := range values {
			inherited[v.Directive] = true
		}
	}
	was, stays := make(map[string]*config.Explained, len(old)), make(map[string]bool, len(fresh))
	for i := range old[1:] {
		was[old[1+i].Service] = &old[1+i]
	}
	for _, s := range fresh[1:] {
		stays[s.Service] = true
		o := was[s.Service]
		if o == nil {
			c.Sections = append(c.Sections, Section{Name: s.Service, What: Added, Reals: len(s.Reals)})
		} else if values := append(settings(*o, s, inherited), reals(o.Reals, s.Reals)...); len(values) > 0 {
			c.Sections = append(c.Sections, Section{Name: s.Service, What: Changed, Reals: len(s.Reals), Values: values})
		} else {
			c.Kept++
		}
	}
	for _, o := range old[1:] {
		if !stays[o.Service] {
			c.Sections = append(c.Sections, Section{Name: o.Service, What: Removed, Reals: len(o.Reals)})
		}
	}
	return c
}

// A setting has the values of a directive, which may be there several times.
type setting struct {
	values []string
	prints []uint64
	// own reports that a line of the section itself has set one, and from is the
	// directive that the value follows from, "" for none.
	own  bool
	from string
}

func collect(e config.Explained) (all map[string]setting, order []string) {
	all = map[string]setting{}
	for _, l := range e.Settings {
		s, there := all[l.Directive]
		if !there {
			order = append(order, l.Directive)
		}
		s.values, s.prints = append(s.values, l.Value), append(s.prints, l.Print)
		s.own, s.from = s.own || l.Own, l.From
		all[l.Directive] = s
	}
	return all, order
}

// settings compares directives. What is inherited is left out unless a line of the
// section itself is concerned, and so is what follows from another directive that has
// changed.
func settings(before, after config.Explained, inherited map[string]bool) (found []Value) {
	old, gone := collect(before)
	fresh, order := collect(after)
	gone = slices.DeleteFunc(gone, func(name string) bool { return fresh[name].values != nil })
	changed := maps.Clone(inherited)
	for _, name := range append(order, gone...) {
		o, f := old[name], fresh[name]
		if slices.Equal(o.prints, f.prints) || inherited[name] && !o.own && !f.own {
			continue
		}
		changed[name] = true
		found = append(found, Value{Directive: name, Before: strings.Join(o.values, ", "), After: strings.Join(f.values, ", ")})
	}
	return slices.DeleteFunc(found, func(v Value) bool {
		from := old[v.Directive].from
		return from != "" && from == fresh[v.Directive].from && changed[from]
	})
}

// A place is that of a real server, the n-th at its address.
type place struct {
	name string // "real 10.0.0.1:80"
	n    int
}

func places(all []config.ExplainedReal) (at []place, by map[place]config.ExplainedReal) {
	by = make(map[place]config.ExplainedReal, len(all))
	for _, r := range all {
		p := place{name: r.Directive + " " + r.Addr}
		for _, taken := by[p]; taken; _, taken = by[p] {
			p.n++
		}
		at, by[p] = append(at, p), r
	}
	return at, by
}

// reals compares the real servers of a service.
func reals(before, after []config.ExplainedReal) (found []Value) {
	was, old := places(before)
	is, fresh := places(after)
	for _, p := range is {
		r := fresh[p]
		if o, there := old[p]; !there {
			found = append(found, Value{Directive: p.name, After: r.String()})
		} else if o.Print != r.Print {
			found = append(found, Value{Directive: p.name, Before: o.String(), After: r.String()})
		}
	}
	for _, p := range was {
		if _, stays := fresh[p]; !stays {
			o := old[p]
			found = append(found, Value{Directive: p.name, Before: o.String()})
		}
	}
	return found
}

// Count returns how many virtual services are added, changed and removed.
func (c Changes) Count() (added, changed, removed int) {
	for _, s := range c.Sections {
		switch {
		case s.What == Added:
			added++
		case s.What == Removed:
			removed++
		case s.Name != Global:
			changed++
		}
	}
	return added, changed, removed
}
