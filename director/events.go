package director

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/events"
)

// Events are the latest events of a director, a thousand or so, for those who ask for
// them or follow them. The methods may be called from any goroutine, before Start and
// after the stop, and wait for nothing of the director.
type Events = events.Ring[Event]

// maxEvents is how many events are kept.
const maxEvents = 1024

// newEvents returns what keeps the events of a director that is made at a time. Their
// numbers begin with the time, so that those of the next director are greater.
func newEvents(made time.Time) *Events {
	return events.New(maxEvents, uint64(max(1, made.UnixMicro())), func(e *Event, seq uint64) { e.Seq = seq })
}

// EventsOf returns the events of d.
func EventsOf(d *Director) *Events { return d.record }

// About reports whether the event is about a service and a real server. service is the
// protocol and address of one, its address or mark alone, or its servicename; real is an
// address, with the port or without, or "sorry" for that fallback. Empty is any.
func (e *Event) About(service, real string) bool {
	_, bare, _ := strings.Cut(e.Service, " ")
	addr, err := netip.ParseAddrPort(e.Real)
	return (service == "" || service == e.Service || service == bare || service == e.Name) &&
		(real == "" || real == e.Real || err == nil && real == addr.Addr().String())
}

// note keeps an event of the director itself. It runs in the loop, or before it.
func note(c *cluster, now time.Time, e Event) {
	c.reports.alerts.at = now
	c.reports.alerts.note(nil, e)
}

// repaired keeps the event of a service that somebody else had changed.
func (c *cluster) repaired(now time.Time, id dataplane.ServiceID, changes string) {
	if sv := c.byID[id]; sv != nil {
		c.reports.alerts.at = now
		c.reports.alerts.note(sv.conf, Event{Event: "repaired", Reason: changes, Text: "Changed by somebody else and put right: " + bareName(sv.conf)})
	}
}

// refusedEvent is that of a configuration that is not put in force. Of several problems
// it has the first one that is an error.
func refusedEvent(err error) Event {
	all := strings.Split(err.Error(), "\n")
	first := all[0]
	if problems, ok := errors.AsType[config.Problems](err); ok {
		if i := slices.IndexFunc(problems, func(p config.Problem) bool { return p.Severity == config.Error }); i >= 0 {
			first = problems[i].String()
		}
	}
	text := "Configuration refused: " + first
	if more := len(all) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return Event{Event: "refused", Reason: first, Text: text}
}
