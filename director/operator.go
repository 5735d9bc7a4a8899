package director

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/drained"
)

// A Verb is what an operator has a director do with a real server.
type Verb string

// The verbs. Drain lets connections end and gives no new ones; Maint takes a server
// out as a file in maintenancedir does; Ready ends both. Weight takes the place of the
// configured weight.
const (
	VerbDrain  Verb = "drain"
	VerbMaint  Verb = "maint"
	VerbReady  Verb = "ready"
	VerbWeight Verb = "weight"
)

// Ready is the state of an order that keeps a server from nothing.
const Ready State = "ready"

// An Order is a verb with the real servers that it is about.
type Order struct {
	Verb Verb `json:"verb"`
	// Real is an address or a host name, with the port or without. Service is a
	// virtual service as the status names it, or its servicename; "" for all that have
	// the real server.
	Real    string `json:"real"`
	Service string `json:"service,omitempty"`
	// Weight is "N", "N%" of the configured weight, or "file" for that.
	Weight string `json:"weight,omitempty"`
	Reason string `json:"reason,omitempty"`
	// By is who gives the order. It is never taken from a request.
	By string `json:"-"`
}

// A FallbackOrder has the fallback of a service answer although real servers are
// usable, or no longer.
type FallbackOrder struct {
	Service string `json:"service"`
	On      bool   `json:"on"`
	Reason  string `json:"reason,omitempty"`
	By      string `json:"-"`
}

// An OrderError says why an order cannot be carried out, in one line.
type OrderError struct{ text string }

// Error returns the line.
func (e *OrderError) Error() string { return e.text }

func orderErrorf(format string, a ...any) error { return &OrderError{fmt.Sprintf(format, a...)} }

// maxReason bounds the text that comes with an order.
const maxReason = 200

// check returns what is wrong with an order whatever the configuration.
func (o Order) check() error {
	switch o.Verb {
	case VerbDrain, VerbMaint, VerbReady:
		if o.Weight != "" {
			return orderErrorf("%s has no weight, got %q", o.Verb, o.Weight)
		}
	case VerbWeight:
		if o.Weight != "file" && o.weightOf(1) == nil {
			return orderErrorf("weight %q: want a number from 0 to 65535, such as 5, a share of the configured weight, such as 50%%, or file", o.Weight)
		}
	default:
		return orderErrorf("verb %q: want drain, maint, ready or weight", string(o.Verb))
	}
	if o.Real == "" {
		return orderErrorf("%s needs a real server: an address or a name", o.Verb)
	}
	return checkReason(o.Reason)
}

func checkReason(reason string) error {
	if len(reason) > maxReason || strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return orderErrorf("a reason is one line of %d bytes at most", maxReason)
	}
	return nil
}

// weightOf returns the weight that is ordered for a server with a configured one, nil
// for that, and for words that are no weight.
func (o Order) weightOf(configured int) *int {
	digits, percent := strings.CutSuffix(o.Weight, "%")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || strings.HasPrefix(digits, "+") {
		return nil
	}
	w := int(n)
	if percent {
		if w = (configured*w + 50) / 100; n > 0 && configured > 0 {
			w = max(1, w)
		}
	}
	return new(min(w, math.MaxUint16))
}

// words are the order without its servers.
func (o Order) words() string { return strings.TrimSpace(string(o.Verb) + " " + o.Weight) }

// why is the cause of a state by the order.
func (o Order) why() string { return saying(string(o.Verb)+" by "+o.By, o.Reason) }

func saying(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// An OrderStatus is a real server with what an operator has ordered about it, and how
// far that is.
type OrderStatus struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Real    string `json:"real"`
	// State is the order: Drain, Maintenance or Ready.
	State State `json:"state"`
	// Ordered reports that Weight is that of an order and not the configured one.
	// Current is the weight in force.
	Ordered bool      `json:"weight_ordered,omitempty"`
	Weight  int       `json:"weight"`
	Current int       `json:"current_weight"`
	By      string    `json:"by,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Saved   bool      `json:"saved"`
	// Unsaved is why orders cannot be saved, "" if they can, or nobody has asked for it.
	Unsaved string `json:"unsaved,omitempty"`
	// Server is the state of the real server, and Cause why it has that.
	Server State  `json:"server_state"`
	Cause  string `json:"cause"`
	// MaintenanceFile keeps the server out beside any order; "" for none.
	MaintenanceFile string `json:"maintenance_file,omitempty"`
	// InForce reports that the dataplane has what is wanted of the service.
	InForce bool `json:"in_force"`
	// Over reports that nothing is awaited any more: of Drain and Maintenance that the
	// server has no clients left, of Ready that it gets clients, or that it is to get none
	// because its weight is 0.
	Over       bool `json:"over"`
	Active     int  `json:"active"`
	Inactive   int  `json:"inactive"`
	Persistent int  `json:"persistent"`
	// Longest is how long pinned clients stay pinned at most.
	Longest Seconds `json:"longest_seconds,omitempty"`
	// Note says what keeps a drain from its end, beside clients.
	Note string `json:"note,omitempty"`
	// Unserved reports that no real server of the service is usable, and Fallback what
	// answers then, "" for nothing.
	Unserved bool   `json:"unserved,omitempty"`
	Fallback string `json:"fallback,omitempty"`

	id         dataplane.ServiceID
	addr       netip.AddrPort
	persistent time.Duration
	rule       drained.Rule
	moves      bool
	slow       bool // in the first step of a slow start
}

// An Operator gives orders to a director, for any number of people at once.
type Operator struct{ d *Director }

// OperatorOf returns the operator of a director. Orders wait until it has started.
func OperatorOf(d *Director) *Operator { return &Operator{d} }

// Order carries out an order and returns what it has made of each real server that it
// names, when the dataplane has that, or after five seconds, and when it is saved, or
// after two. An *OrderError means that nothing was done.
func (o *Operator) Order(ctx context.Context, given Order) ([]OrderStatus, error) {
	err := o.change(ctx, func(c orders) error { return c.give(time.Now(), given) })
	if err != nil {
		return nil, err
	}
	return o.Orders(ctx, given.Service, given.Real)
}

// Fallback has a fallback answer although servers are usable, or no longer. It returns
// as Order does.
func (o *Operator) Fallback(ctx context.Context, given FallbackOrder) error {
	if err := checkReason(given.Reason); err != nil {
		return err
	}
	return o.change(ctx, func(c orders) error { return c.setFallbackOrder(time.Now(), given) })
}

// change gives an order in the loop and waits for its consequences.
func (o *Operator) change(ctx context.Context, give func(orders) error) error {
	var refused error
	var version uint64
	err := o.d.do(ctx, func() {
		if refused = ErrStopped; o.d.ctx.Err() == nil {
			refused = give(orders{o.d.cluster})
		}
		version = o.d.cluster.version
	})
	if err = cmp.Or(err, refused); err != nil {
		return err
	}
	o.d.settle(ctx)
	if o.d.o.State != "" {
		o.awaitSave(ctx, version)
	}
	return nil
}

// saveWait is how long an order waits to be saved.
const saveWait = 2 * time.Second

// awaitSave waits until an attempt was made to save a version of the orders.
func (o *Operator) awaitSave(ctx context.Context, version uint64) {
	ctx, cancel := context.WithTimeout(ctx, saveWait)
	defer cancel()
	for {
		var tried uint64
		var next <-chan struct{}
		if o.d.do(ctx, func() { tried, next = o.d.cluster.tried, o.d.saves }) != nil || tried >= version {
			return
		}
		select {
		case <-next:
		case <-ctx.Done():
			return
		}
	}
}

// Orders returns the real servers that a name means, and how far orders about them are;
// without a name those with an order. service may be "" for all.
func (o *Operator) Orders(ctx context.Context, service, real string) ([]OrderStatus, error) {
	var all []OrderStatus
	if err := o.d.do(ctx, func() { all = orders{o.d.cluster}.status(service, real) }); err != nil {
		return nil, err
	}
	type reading struct {
		dataplane.ServiceStatus
		err error
	}
	read := map[dataplane.ServiceID]reading{}
	looks := map[place][]look{}
	for i := range all {
		st := &all[i]
		one, known := read[st.id]
		if !known {
			one.ServiceStatus, one.err = dataplane.Look(ctx, o.d.o.Dataplane, st.id)
			read[st.id] = one
		}
		if one.err != nil {
			st.Note = "the dataplane cannot be read: " + one.err.Error()
			continue
		}
		st.complete(one.ServiceStatus, looks)
	}
	if len(looks) > 0 {
		_ = o.d.do(ctx, func() { orders{o.d.cluster}.watch(looks) }) // without it nothing is over
	}
	return all, nil
}

// A look is what the dataplane says of a server that an order keeps out.
type look struct {
	drained.Look
	of    *OrderStatus
	moves bool // as order.moves
}

// complete adds what the dataplane says of a server, and a look at it if an order keeps
// it out.
func (st *OrderStatus) complete(served dataplane.ServiceStatus, looks map[place][]look) {
	l := look{Look: drained.Look{At: time.Now(), Since: st.At, Left: true, Lag: served.Lag}, of: st}
	for i, list := range [][]dataplane.ServerStatus{served.Servers, served.Left} {
		for _, s := range list {
			if s.Addr == st.addr {
				l.Left = l.Left && i == 1
				l.Active, l.Inactive, l.Pinned, l.Made = l.Active+s.Active, l.Inactive+s.Inactive, l.Pinned+s.Persistent, l.Made+s.Counters.Connections
			}
		}
	}
	st.Active, st.Inactive, st.Persistent = l.Active, l.Inactive, l.Pinned
	if l.Pinned > 0 {
		st.Longest = Seconds(st.persistent)
	}
	switch {
	case st.State == Ready:
		st.Over = st.InForce && (st.Server.inUse() && !st.slow || st.Weight == 0 && st.MaintenanceFile == "")
		return
	case st.rule == drained.Flows && !st.moves && served.Holds != "":
		st.Note = served.Holds
	case st.rule == drained.Flows && !st.moves:
		l.moves = served.Service.ID == st.id
	}
	at := place{st.Service, st.Real}
	looks[at] = append(looks[at], l)
}
