package director

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/drained"
)

// An order is what an operator has said about a real server or a fallback.
type order struct {
	Admin
	// version is that of the cluster's orders since when it is as it is.
	version uint64
	// moves reports that flows to a server that leaves the service go to another one
	// with their next datagram; left that an order has made it leave.
	moves, left bool
	// watch is told of each look at what the server has left.
	watch drained.Watch
}

// order returns what an operator has said about the server, nil for nothing.
func (h *serverHistory) order() *order {
	if h.few == nil {
		return nil
	}
	return h.few.order
}

// ordered returns Drain or Maintenance, if an operator has ordered that.
func (h *serverHistory) ordered() State {
	if o := h.order(); o != nil {
		return o.State
	}
	return ""
}

// keptOut reports whether an operator keeps the server from getting clients.
func (h *serverHistory) keptOut() bool { return h.maintenance != "" || h.ordered() != "" }

// why is the cause of a state by the order.
func (o *order) why() string {
	given := Order{Verb: VerbDrain, By: o.By, Reason: o.Reason}
	if o.State == Maintenance {
		given.Verb = VerbMaint
	}
	return given.why()
}

// causeOr returns why the server is in its state: the order that keeps it there, or else
// other.
func (s *server) causeOr(other string) string {
	if s.state() == s.ordered() {
		return s.order().why()
	}
	return other
}

// fullWeight returns the weight of the server when nothing takes any of it: that of an
// order or the configured one.
func (s *server) fullWeight() int {
	if o := s.order(); o != nil && o.Weight != nil {
		return *o.Weight
	}
	return s.conf.Weight
}

// listed reports whether the dataplane is to have the server, with a weight or
// without.
func (s *server) listed(quiescent bool) bool {
	if o := s.order(); o != nil && o.left {
		return false
	}
	return s.inUse() || s.state() == Drain || quiescent
}

// An orderBook is what a cluster knows of orders beside those of its servers and
// services.
type orderBook struct {
	// parked are orders about real servers, and with real "" fallbacks, that the
	// configuration does not have now.
	parked map[place]*order
	// version counts changes of orders. tried is the version of which the state file
	// was to be written last, and unsaved why it could not be.
	version, tried uint64
	unsaved        string
	path           string // of the configuration
}

// orders is what an operator changes of a cluster.
type orders struct{ *cluster }

// A place names a real server in a service, over reloads and restarts.
type place struct{ service, real string }

func placeOf(sv *service, s *server) place {
	return place{sv.conf.ID.String(), s.conf.Addr.String()}
}

// maintain handles new files in maintenancedir, by the configured addresses of the
// real servers that they keep out.
func (c orders) maintain(now time.Time, files map[string]string) {
	c.files = files
	for _, sv := range c.services {
		c.applyFiles(now, sv)
		c.refresh(now, sv)
	}
}

// applyFiles takes the servers of a service out of service, or back, as the files
// say.
func (c orders) applyFiles(now time.Time, sv *service) {
	for _, s := range sv.servers {
		file := c.files[s.conf.Addr.String()]
		if file == s.maintenance {
			continue
		}
		before, why := s.state(), "maintenance file "+file
		if s.maintenance = file; file == "" {
			why = "maintenance file is gone"
		}
		c.moved(now, sv, s, before, why)
	}
}

// moved reports that an operator has taken a server out of the state before, or may
// have. A server that is down now is so by its checks, which go on meanwhile.
func (c orders) moved(now time.Time, sv *service, s *server, before State, why string) {
	s.kept = ""
	switch err := s.checks.latest().Err; {
	case s.state() == before:
		s.cause = why
		return
	case s.state() == Down && err != nil:
		why += "; " + cause(err)
	}
	c.reports.changed(now, sv, s, before, why)
}

// give carries out an order, for each server that it names. An error says why it cannot
// be, for whoever has given it.
func (c orders) give(now time.Time, o Order) error {
	if err := o.check(); err != nil {
		return err
	}
	found := c.find(o.Service, o.Real)
	if len(found) == 0 {
		return c.unknown(o)
	}
	c.version++
	for _, m := range found {
		c.set(now, m.sv, m.s, o)
	}
	for _, m := range found {
		c.refresh(now, m.sv)
	}
	c.save()
	return nil
}

// find returns the servers that a name means, by their place in the configuration; ""
// means each.
func (c orders) find(service, real string) (found []member) {
	for _, sv := range c.services {
		if service != "" && !sv.named(service) {
			continue
		}
		for _, s := range sv.servers {
			if real == "" || s.named(real) {
				found = append(found, member{sv: sv, s: s})
			}
		}
	}
	return found
}

// named reports whether a server is meant by name: an address or a host name, with the
// port or without.
func (s *server) named(name string) bool {
	a := s.conf.Addr
	return name == a.String() || name == a.Addr().String() || name == s.conf.Name ||
		s.conf.Name != "" && name == fmt.Sprintf("%s:%d", s.conf.Name, a.Port())
}

// unknown says that an order names no server, and which ones are nearest.
func (c orders) unknown(o Order) error {
	names, err := c.serversOf(o.Service)
	if err != nil {
		return err
	}
	where := ""
	if o.Service != "" {
		where = " in " + o.Service
	}
	return orderErrorf("no real server is called %s%s%s", o.Real, where, nearest(o.Real, names))
}

// serversOf returns the addresses of the real servers of the services that a name means,
// "" of all. It is an error if it means none.
func (c orders) serversOf(name string) (addrs []string, err error) {
	if name != "" && !slices.ContainsFunc(c.services, func(sv *service) bool { return sv.named(name) }) {
		return nil, c.unknownService(name)
	}
	for _, m := range c.find(name, "") {
		addrs = append(addrs, m.s.conf.Addr.String())
	}
	return addrs, nil
}

// serviceNames returns the names of all virtual services.
func (c orders) serviceNames() (names []string) {
	for _, sv := range c.services {
		names = append(names, sv.conf.ID.String())
		if sv.conf.ServiceName != "" {
			names = append(names, sv.conf.ServiceName)
		}
	}
	return names
}

func (c orders) unknownService(name string) error {
	names := c.serviceNames()
	return orderErrorf("no virtual service is called %s%s", name, nearest(name, names))
}

// nearest names the three of names that have most in common with word at both ends.
func nearest(word string, names []string) string {
	common := func(name string) (n int) {
		for n < min(len(word), len(name)) && word[n] == name[n] {
			n++
		}
		for i := 1; i <= min(len(word), len(name))-n && word[len(word)-i] == name[len(name)-i]; i++ {
			n++
		}
		return n
	}
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(common(b), common(a)) })
	if len(names) == 0 {
		return ""
	}
	return ": there is " + strings.Join(names[:min(len(names), 3)], ", ")
}

// set has an order count for one server.
func (c orders) set(now time.Time, sv *service, s *server, given Order) {
	var o order
	if s.order() != nil {
		o = *s.order()
	}
	before, weight, was := s.state(), s.weight(), o.State
	switch given.Verb {
	case VerbDrain:
		o.State = Drain
	case VerbMaint:
		o.State = Maintenance
	case VerbReady:
		o.State = ""
	case VerbWeight:
		o.Weight = given.weightOf(s.conf.Weight)
	}
	if o.State != was || o.At.IsZero() || given.Verb == VerbWeight {
		o.At, o.watch = now, drained.Watch{}
	}
	if o.State != was {
		o.left, o.Reason = false, ""
	}
	o.By, o.Reason, o.version, o.Saved = given.By, cmp.Or(given.Reason, o.Reason), c.version, false
	s.setOrder(&o)
	s.request = s.checks.request(s.fullWeight())
	c.log.Info("order", "order", given.words(), "by", given.By, "reason", given.Reason, "service", sv.conf.ID.String(), "real", s.conf.Addr.String())
	c.noteOrder(now, sv, Event{Real: s.conf.Addr.String(), Weight: s.weight(), By: given.By, Reason: given.Reason, Text: "Order: " + given.words()})
	if given.Verb != VerbWeight {
		c.moved(now, sv, s, before, given.why())
	} else if s.weight() != weight {
		c.log.Info("weight changed", "service", sv.conf.ID.String(), "real", s.conf.Addr.String(), "from", weight, "to", s.weight())
	}
}

// noteOrder keeps the event of an order about a service.
func (c orders) noteOrder(now time.Time, sv *service, e Event) {
	e.Event, c.reports.alerts.at = "order", now
	c.reports.alerts.note(sv.conf, e)
}

// setOrder has o be what an operator says about the server.
func (h *serverHistory) setOrder(o *order) {
	if o.State == "" && o.Weight == nil {
		o = nil
	}
	if o != nil || h.few != nil {
		h.own().order = o
	}
}

// setFallbackOrder has the fallback of a service answer although servers are usable, or
// no longer.
func (c orders) setFallbackOrder(now time.Time, o FallbackOrder) error {
	i := slices.IndexFunc(c.services, func(sv *service) bool { return sv.named(o.Service) })
	if i < 0 {
		return c.unknownService(o.Service)
	}
	sv := c.services[i]
	if _, exists := sv.fallback(); o.On && !exists {
		return orderErrorf("%s has no fallback: give it one in the configuration, such as `fallback = sorry`", sv.conf.ID)
	}
	c.version++
	word := "off"
	if sv.fallbackOrder = nil; o.On {
		word = "on"
		sv.fallbackOrder = &order{Admin: Admin{State: Active, By: o.By, Reason: o.Reason, At: now}, version: c.version}
	}
	c.log.Info("order", "order", "fallback "+word, "by", o.By, "reason", o.Reason, "service", sv.conf.ID.String())
	c.noteOrder(now, sv, Event{Real: sv.fallbackName(), By: o.By, Reason: o.Reason, Text: "Order: fallback " + word})
	c.refresh(now, sv)
	c.save()
	return nil
}

// due has the servers of a UDP service that an order keeps out leave when the answers
// under way have come back, if that moves their flows, and reports whether one has to.
func (c orders) due(now time.Time, sv *service) (leave bool) {
	if sv.conf.ID.Protocol != dataplane.UDP {
		return false
	}
	for _, s := range sv.servers {
		if o := s.order(); o != nil && o.State != "" && o.moves && !o.left && now.Sub(o.At) >= drained.Answers {
			o.left, leave = true, true
		}
	}
	return leave
}

// watch has orders take in looks, each at the server of an order as it was then, and
// notes which servers have no clients left.
func (c orders) watch(looks map[place][]look) {
	c.each(func(at place, o *order) {
		for _, l := range looks[at] {
			if o.State != "" && o.At.Equal(l.Since) {
				o.moves = o.moves || l.moves
				l.of.Over = l.of.InForce && o.watch.Over(l.of.rule, l.Look)
			}
		}
	})
}

// status returns what is known in the loop of the servers that a name means, "" for
// those with an order, in a service that a name means, "" for all.
func (c orders) status(in, real string) []OrderStatus {
	found := c.find(in, real)
	if real == "" {
		found = slices.DeleteFunc(found, func(m member) bool { return m.s.order() == nil })
	}
	all := make([]OrderStatus, 0, len(found)) // JSON shows an empty list
	var serving map[netip.AddrPort]int
	var of *service
	for _, m := range found {
		if m.sv != of {
			serving, of = m.sv.serving(), m.sv
		}
		st := m.orderStatus(serving)
		st.Unsaved = c.unsaved
		all = append(all, st)
	}
	return all
}

// orderStatus returns what is known in the loop. serving are the weights in the
// dataplane.
func (m member) orderStatus(serving map[netip.AddrPort]int) OrderStatus {
	sv, s := m.sv, m.s
	st := OrderStatus{
		Service: sv.conf.ID.String(), Name: sv.conf.ServiceName, Real: s.conf.Addr.String(), State: Ready,
		Server: s.state(), Cause: s.cause, Current: s.weight(), Weight: s.conf.Weight, InForce: sv.begun && sv.inForce,
		Unserved: !sv.usable(), Fallback: sv.fallbackName(),
		id: sv.conf.ID, addr: s.addr, persistent: sv.conf.Persistent, rule: drained.RuleOf(sv.conf.ID, sv.conf.OnePacket),
	}
	if s.inUse() && !s.servedIn(serving) {
		st.Server = Pending
	}
	if o := s.order(); o != nil {
		st.By, st.Reason, st.At, st.Saved, st.moves = o.By, o.Reason, o.At, o.Saved, o.moves
		st.State = cmp.Or(o.State, Ready)
		if o.Weight != nil {
			st.Ordered, st.Weight = true, *o.Weight
		}
	}
	st.MaintenanceFile = s.maintenance
	st.slow = s.seldom().ramp.step == 1
	return st
}
