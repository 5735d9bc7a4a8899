package director

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/statefile"
)

// park keeps the orders about servers and fallbacks of old, which a configuration may
// not have any more.
func (c orders) park(old map[dataplane.ServiceID]*service) {
	for _, sv := range old {
		for _, s := range sv.servers {
			if o := s.order(); o != nil {
				c.parked[placeOf(sv, s)] = o
			}
		}
		if o := sv.fallbackOrder; o != nil {
			c.parked[place{service: sv.conf.ID.String()}] = o
		}
	}
}

// unpark gives orders to the servers and fallbacks that the configuration has. While it
// waits for a name or a file the others are kept, because their servers may be behind
// that; else they end.
func (c orders) unpark(waits bool) {
	known := map[place]bool{}
	for _, sv := range c.services {
		at := place{service: sv.conf.ID.String()}
		if o := c.parked[at]; o != nil && sv.fallbackOrder == nil {
			sv.fallbackOrder = new(*o)
		}
		known[at] = true
		for _, s := range sv.servers {
			at := placeOf(sv, s)
			if o := c.parked[at]; o != nil && s.order() == nil {
				s.setOrder(new(*o))
				s.request = s.checks.request(s.fullWeight())
				s.cause = s.causeOr(s.cause)
			}
			known[at] = true
		}
	}
	maps.DeleteFunc(c.parked, func(at place, _ *order) bool { return known[at] })
	if waits || len(c.parked) == 0 {
		return
	}
	for at, o := range c.parked {
		logKept(c.log.Info, "order ends: the configuration has no such real server any more", at.stored(o))
	}
	clear(c.parked)
	c.version++
	c.save()
}

// each calls f with every order.
func (c orders) each(f func(at place, o *order)) {
	for _, sv := range c.services {
		if o := sv.fallbackOrder; o != nil {
			f(place{service: sv.conf.ID.String()}, o)
		}
		for _, s := range sv.servers {
			if o := s.order(); o != nil {
				f(placeOf(sv, s), o)
			}
		}
	}
	for at, o := range c.parked {
		f(at, o)
	}
}

// save has the state file be written.
func (c orders) save() {
	var s statefile.State
	seen := map[place]bool{}
	c.each(func(at place, o *order) {
		if seen[at] {
			return // the service has the server twice
		}
		seen[at] = true
		if at.real == "" {
			s.Fallbacks = append(s.Fallbacks, at.stored(o))
		} else {
			s.Orders = append(s.Orders, at.stored(o))
		}
	})
	s.Config = c.path
	c.out.save(c.version, s)
}

// stored returns an order as the state file has it.
func (at place) stored(o *order) statefile.Order {
	return statefile.Order{Service: at.service, Real: at.real, State: string(o.State), Weight: o.Weight, By: o.By, Reason: o.Reason, At: o.At}
}

// saved takes in that the orders of a version are in the state file, or why not.
func (c orders) saved(version uint64, err error) {
	c.tried, c.unsaved = version, ""
	if err != nil {
		c.unsaved = err.Error()
		return
	}
	c.each(func(_ place, o *order) { o.Saved = o.Saved || o.version <= version })
}

// restore has the orders of a state file count for the services of the first
// configuration.
func (c orders) restore(s statefile.State) {
	for _, o := range slices.Concat(s.Orders, s.Fallbacks) {
		c.parked[place{o.Service, o.Real}] = &order{Admin: Admin{
			State: State(o.State), Weight: o.Weight, By: o.By, Reason: o.Reason, At: o.At, Saved: true,
		}}
	}
}

// waits reports whether a configuration waits for something that may bring servers
// back.
func waits(conf *config.Config) bool { return len(conf.Waiting) > 0 || conf.LeftOut > 0 }

// keepOrders has the state file be kept from now on: it runs before the loop.
func keepOrders(d *Director) {
	if d.o.State == "" {
		return
	}
	d.state = statefile.NewWriter(statefile.Options{Path: d.o.State, Log: d.log, Done: func(v uint64, err error) { savedOrders(d, v, err) }})
	orders{d.cluster}.save() // it has a newer time, and no order that has ended
}

// savedOrders brings the result of writing the state file into the loop.
func savedOrders(d *Director, version uint64, err error) {
	_ = d.do(context.Background(), func() {
		orders{d.cluster}.saved(version, err)
		close(d.saves)
		d.saves = make(chan struct{})
	}) // without a loop nobody asks
}

// storedOrders returns the orders of a state file. One that cannot be used is set aside
// and no reason not to start.
func storedOrders(path string, conf *config.Config, log *slog.Logger) statefile.State {
	if path == "" {
		return statefile.State{}
	}
	s, err := statefile.Read(path)
	age := max(0, time.Since(s.Written)) // written in the future counts as now
	switch limit := conf.Global.StateMaxAge; {
	case errors.Is(err, fs.ErrNotExist):
		return statefile.State{}
	case err != nil:
		log.Error("orders of before are lost: the state file cannot be used", "file", path, "err", err, "now", setAside(path))
		return statefile.State{}
	case s.Config != conf.Path:
		log.Error("orders of before are lost: the state file is about another configuration", "file", path, "config", s.Config, "now", setAside(path))
		return statefile.State{}
	case limit > 0 && age > limit:
		logKept(log.Warn, "order is too old to count", slices.Concat(s.Orders, s.Fallbacks)...)
		log.Warn("orders of before do not count: shunt has not run for longer than statemaxage", "file", path, "written", s.Written, "statemaxage", limit, "now", setAside(path))
		return statefile.State{}
	}
	logKept(log.Info, "order of before counts", slices.Concat(s.Orders, s.Fallbacks)...)
	return s
}

// logKept logs what becomes of kept orders, one by one, by a method of a logger.
func logKept(log func(msg string, args ...any), fate string, kept ...statefile.Order) {
	for _, o := range kept {
		words := o.State
		if o.Weight != nil {
			words = strings.TrimPrefix(fmt.Sprintf("%s, weight %d", words, *o.Weight), ", ")
		}
		log(fate, "service", o.Service, "real", o.Real, "order", words, "by", o.By, "reason", o.Reason, "at", o.At)
	}
}

// setAside returns where a state file is now.
func setAside(path string) string {
	bad, err := statefile.SetAside(path)
	if err != nil {
		return "where it was: " + err.Error()
	}
	return bad
}
