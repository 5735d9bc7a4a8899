// Package spec says how real servers are checked, by their configuration.
package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

// A Check is the check of a real server. Servers whose checks have the same ID share
// one, also in different services. It is small: what the checks of a service have in
// common is there once.
type Check struct {
	ID
	receive checks.Matcher
	tls     *checks.TLSOptions // nil where the check speaks none
}

// An ID distinguishes checks, also those from before a reload. It is comparable, and
// a good key of a map.
type ID struct {
	way  unique.Handle[way]
	addr netip.AddrPort // with the port to check
}

// A way is how an address is checked. It is comparable: what target points to
// elsewhere is text here, and nil there.
type way struct {
	kind    config.CheckType
	service string        // of a negotiate check
	n       int           // of checktype=N
	target  checks.Target // without the address
	receive string
	tls     string
	// The limits of a check, by its kind.
	connectTimeout, negotiateTimeout time.Duration
	interval, fast, slow             time.Duration
	path                             checks.Path
}

// For returns how to check r, nil if it is not checked at all.
func For(v *config.Virtual, r *config.Real) *Check {
	if v.CheckType == config.CheckOn || v.CheckType == config.CheckOff {
		return nil
	}
	w := way{
		kind: v.CheckType, service: v.Service, n: v.CombinedN,
		connectTimeout: v.CheckTimeout, negotiateTimeout: v.NegotiateTimeout,
		interval: v.CheckInterval, fast: v.FastInterval, slow: v.DownInterval,
		target: checks.Target{UDP: v.ID.Protocol == dataplane.UDP, Reset: v.CheckReset},
	}
	c := &Check{ID: ID{addr: v.CheckAddr(r)}}
	if c.addr.Port() == dataplane.MappedPort(r.Forward, r.Addr.Port(), v.ID.Addr.Port()) {
		// The check has to send a PROXY header where clients get one.
		w.target.ProxyProtocol = v.ProxyProtocol
	}
	c.describe(&w, v, r)
	c.way = unique.Make(w)
	return c
}

// SetPath has the VIP checked, too, by a path. It makes the check another one.
func (c *Check) SetPath(p checks.Path) {
	w := c.way.Value()
	w.path = p
	c.way = unique.Make(w)
}

// SameQuestion reports whether both checks ask the same of the same address, at
// whatever pace.
func (id ID) SameQuestion(o ID) bool {
	a, b := id.way.Value(), o.way.Value()
	a.connectTimeout, a.negotiateTimeout, a.interval, a.fast, a.slow = b.connectTimeout, b.negotiateTimeout, b.interval, b.fast, b.slow
	return id.addr == o.addr && a == b
}

// Addr returns the address that is checked.
func (id ID) Addr() netip.AddrPort { return id.addr }

// Path returns the way to the VIP that is checked, too; its mark is 0 for none.
func (id ID) Path() checks.Path { return id.way.Value().path }

// Connects returns how many connects follow each negotiation that succeeds.
func (id ID) Connects() int { return id.way.Value().n }

// Intervals returns the times between two checks: the usual one, that while the
// latest results contradict the state, and that while the real server is down.
func (id ID) Intervals() (usual, fast, slow time.Duration) {
	w := id.way.Value()
	return w.interval, w.fast, w.slow
}

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

// describe sets the fields that the kind of check uses, and no others, so that
// sections that differ elsewhere share a probe.
func (c *Check) describe(w *way, v *config.Virtual, r *config.Real) {
	t := &w.target
	switch {
	case w.kind == config.CheckExternal || w.kind == config.CheckExternalPerl:
		t.Command, t.CommandWeight = v.CheckCommand, commandWeights[v.CommandWeight]
		t.VirtualAddr, t.VirtualPort = virtualArgs(v.ID)
		t.RealAddr, t.RealPort = realArgs(r)
	case w.pings():
		t.Attempts = v.CheckCount
	}
	if !w.negotiates() {
		w.service, w.n = "", 0
		return
	}
	service, _ := services.Named(v.Service)
	c.negotiate(w, service.Uses, v, r)
}

// Negotiates reports whether the check is one of a service.
func (id ID) Negotiates() bool {
	w := id.way.Value()
	return w.negotiates()
}

func (w *way) negotiates() bool {
	return w.kind == config.CheckNegotiate || w.kind == config.CheckCombined
}

// negotiate fills in the directives that a negotiate check uses.
func (c *Check) negotiate(w *way, uses services.Directives, v *config.Virtual, r *config.Real) {
	t := &w.target
	for _, d := range []struct {
		directive services.Directives
		to        *string
		value     string
	}{
		{services.Request, &t.Request, r.Request},
		{services.Method, &t.Method, v.HTTPMethod},
		{services.VirtualHost, &t.VirtualHost, v.VirtualHost},
		{services.Login, &t.Login, v.Login},
		{services.Passwd, &t.Passwd, v.Passwd},
		{services.Database, &t.Database, v.Database},
		{services.Secret, &t.Secret, v.Secret},
	} {
		if uses.Has(d.directive) {
			*d.to = d.value
		}
	}
	if w.kind == config.CheckNegotiate && !uses.Has(services.Protocol) {
		t.UDP = false
	}
	if uses.Has(services.Receive) && r.Receive != nil {
		c.receive, w.receive = r.Receive, r.Receive.String()
	}
	if uses.Has(services.Web) {
		t.Statuses, t.Headers, t.BodyDigest = v.ReceiveStatus, v.HeaderLines(), v.BodyDigest
		if v.HTTPVersion != 1 {
			t.HTTPVersion = v.HTTPVersion
		}
	}
	if uses.Has(services.CheckFile) {
		t.File = v.CheckFile
		t.RealAddr, t.RealPort = realArgs(r)
	}
	c.describeTLS(w, v)
}

// describeTLS says how the check speaks TLS. Files with the same content are
// the same.
func (c *Check) describeTLS(w *way, v *config.Virtual) {
	if !v.SpeaksTLS() {
		return
	}
	w.target.VirtualHost = v.VirtualHost
	c.tls = &checks.TLSOptions{Verify: v.Verify != "no", MinValid: v.MinValid}
	w.tls = fmt.Sprint(c.tls.Verify, c.tls.MinValid)
	if v.Roots != nil {
		c.tls.Roots = v.Roots.Pool
		w.tls += fmt.Sprintf(" roots %x", v.Roots.Sum)
	}
	if v.Client != nil {
		c.tls.Client = v.Client.Certificate
		w.tls += fmt.Sprintf(" client %x", v.Client.Sum)
	}
}

// Whole returns the target of the check, which writes into note what it finds out
// beside its verdict.
func (c *Check) Whole(note *checks.Note) checks.Target {
	t := c.way.Value().target
	t.Addr, t.Receive, t.TLS, t.Note = c.addr, c.receive, c.tls, note
	return t
}

// Note returns a place for what the check finds out beside its verdict, nil if
// it finds out nothing.
func (c *Check) Note() *checks.Note {
	w := c.way.Value()
	if c.tls == nil && w.target.File == "" && w.target.CommandWeight == checks.NoWeight && w.service != "agent" && w.path.Mark == 0 {
		return nil
	}
	return &checks.Note{}
}

// pings reports whether connect means ping: UDP has nothing to connect to.
func (w *way) pings() bool {
	return w.kind == config.CheckPing || w.target.UDP && w.kind != config.CheckNegotiate
}

// commandWeights are the words of checkcommandweight.
var commandWeights = map[string]checks.CommandWeight{"yes": checks.PlainWeight, "percent": checks.PercentWeight}

func realArgs(r *config.Real) (addr, port string) {
	return HostArg(r.Addr.Addr()), strconv.Itoa(int(r.Addr.Port()))
}

func virtualArgs(id dataplane.ServiceID) (addr, port string) {
	if id.Protocol == dataplane.FWMark {
		return strconv.FormatUint(uint64(id.Mark), 10), "0"
	}
	return HostArg(id.Addr.Addr()), strconv.Itoa(int(id.Addr.Port()))
}

// HostArg writes an address as ldirectord does: IPv6 in brackets.
func HostArg(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
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
