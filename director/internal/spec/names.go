package spec

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// NamesOf returns what the checks of a service are called where each is shown,
// nothing if there is no more than the ordinary one. They differ.
func NamesOf(v *config.Virtual) []string {
	further := v.Further()
	if len(further) == 0 {
		return nil
	}
	names, times := []string{Title(v)}, map[string]int{}
	for i := range further {
		name := further[i].Name()
		if times[name]++; times[name] > 1 {
			name += fmt.Sprintf(" #%d", times[name])
		}
		names = append(names, name)
	}
	return names
}

// Names returns the checks that it consists of, by checks.For's names.
func (id ID) Names() []string {
	w := id.way.Value()
	if w.kind == config.CheckCombined {
		return []string{w.service, w.connect()}
	}
	return []string{w.first()}
}

// First returns the name of the check to begin with, and how long it may take.
func (id ID) First() (name string, limit time.Duration) {
	w := id.way.Value()
	name = w.first()
	return name, w.limit(name)
}

// Last returns the name of the check that is made between two negotiations, and how
// long it may take.
func (id ID) Last() (name string, limit time.Duration) {
	w := id.way.Value()
	name = w.connect()
	return name, w.limit(name)
}

// Limit returns how long the check of a name may take.
func (id ID) Limit(name string) time.Duration {
	w := id.way.Value()
	return w.limit(name)
}

func (w *way) connect() string {
	if w.pings() {
		return "ping"
	}
	return "connect"
}

func (w *way) first() string {
	switch w.kind {
	case config.CheckNegotiate, config.CheckCombined:
		return w.service
	case config.CheckExternal:
		return "external"
	case config.CheckExternalPerl:
		return "external-perl"
	}
	return w.connect()
}

func (w *way) limit(name string) time.Duration {
	if w.kind == config.CheckNegotiate || w.kind == config.CheckCombined && name == w.service {
		return w.negotiateTimeout
	}
	return w.connectTimeout * time.Duration(max(1, w.target.Attempts))
}

// Title returns the check for messages: "negotiate http", "connect".
func Title(v *config.Virtual) string {
	switch v.CheckType {
	case config.CheckNegotiate:
		return "negotiate " + v.Service
	case config.CheckCombined:
		return fmt.Sprintf("negotiate %s, then %d connects", v.Service, v.CombinedN)
	case config.CheckExternal, config.CheckExternalPerl:
		return v.CheckType.String() + " " + v.CheckCommand
	}
	return v.CheckType.String()
}

// TitleOf is Title, with the way that is checked, too, and all further checks.
func TitleOf(v *config.Virtual) string {
	names := NamesOf(v)
	if names == nil {
		names = []string{Title(v)}
	}
	if v.CheckPath == config.CheckPathVIP {
		names[0] += " and by the VIP"
	}
	return strings.Join(names, ", ")
}
