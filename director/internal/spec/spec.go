// Package spec says how real servers are checked, by their configuration.
package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

// A Check is the check of a real server. Servers with the same identity share one
// probe, also in different services.
type Check struct {
	Identity
	receive checks.Matcher
	tls     *checks.TLSOptions // nil where the check speaks none
}

// An Identity distinguishes probes. It is comparable: what target points to
// elsewhere is text here, and nil there.
type Identity struct {
	kind    config.CheckType
	service string // of a negotiate check
	N       int    // of checktype=N
	Target  checks.Target
	receive string
	tls     string
	// The limits of a check, by its kind.
	connectTimeout, negotiateTimeout time.Duration
	Interval, Fast, Slow             time.Duration
	// Path is the way to the VIP that is checked, too.
	Path checks.Path
}

// For returns how to check r, nil if it is not checked at all.
func For(v *config.Virtual, r *config.Real) *Check {
	if v.CheckType == config.CheckOn || v.CheckType == config.CheckOff {
		return nil
	}
	s := &Check{Identity: Identity{
		kind: v.CheckType, service: v.Service, N: v.CombinedN,
		connectTimeout: v.CheckTimeout, negotiateTimeout: v.NegotiateTimeout,
		Interval: v.CheckInterval, Fast: v.FastInterval, Slow: v.DownInterval,
		Target: checks.Target{Addr: v.CheckAddr(r), UDP: v.ID.Protocol == dataplane.UDP, Reset: v.CheckReset},
	}}
	if s.Target.Addr.Port() == dataplane.MappedPort(r.Forward, r.Addr.Port(), v.ID.Addr.Port()) {
		// Where clients get a PROXY header, the check has to send one, too.
		s.Target.ProxyProtocol = v.ProxyProtocol
	}
	s.describe(v, r)
	return s
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
func (s *Check) describe(v *config.Virtual, r *config.Real) {
	t := &s.Target
	switch {
	case s.kind == config.CheckExternal || s.kind == config.CheckExternalPerl:
		t.Command, t.CommandWeight = v.CheckCommand, commandWeights[v.CommandWeight]
		t.VirtualAddr, t.VirtualPort = virtualArgs(v.ID)
		t.RealAddr, t.RealPort = realArgs(r)
	case s.pings():
		t.Attempts = v.CheckCount
	}
	if !s.Negotiates() {
		s.service, s.N = "", 0
		return
	}
	service, _ := services.Named(v.Service)
	s.negotiate(service.Uses, v, r)
}

// Negotiates reports whether the check is one of a service.
func (s *Check) Negotiates() bool {
	return s.kind == config.CheckNegotiate || s.kind == config.CheckCombined
}

// negotiate fills in the directives that a negotiate check uses.
func (s *Check) negotiate(uses services.Directives, v *config.Virtual, r *config.Real) {
	t := &s.Target
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
	if s.kind == config.CheckNegotiate && !uses.Has(services.Protocol) {
		t.UDP = false
	}
	if uses.Has(services.Receive) && r.Receive != nil {
		s.receive, s.Identity.receive = r.Receive, r.Receive.String()
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
	s.describeTLS(v)
}

// describeTLS says how the check speaks TLS. Files with the same content are
// the same.
func (s *Check) describeTLS(v *config.Virtual) {
	if !v.SpeaksTLS() {
		return
	}
	s.Target.VirtualHost = v.VirtualHost
	s.tls = &checks.TLSOptions{Verify: v.Verify != "no", MinValid: v.MinValid}
	s.Identity.tls = fmt.Sprint(s.tls.Verify, s.tls.MinValid)
	if v.Roots != nil {
		s.tls.Roots = v.Roots.Pool
		s.Identity.tls += fmt.Sprintf(" roots %x", v.Roots.Sum)
	}
	if v.Client != nil {
		s.tls.Client = v.Client.Certificate
		s.Identity.tls += fmt.Sprintf(" client %x", v.Client.Sum)
	}
}

// Whole returns the target with all that the identity has as text. The check
// writes into note what it finds out beside its verdict.
func (s *Check) Whole(note *checks.Note) checks.Target {
	t := s.Target
	t.Receive, t.TLS, t.Note = s.receive, s.tls, note
	return t
}

// Note returns a place for what the check finds out beside its verdict, nil if
// it finds out nothing.
func (s *Check) Note() *checks.Note {
	if s.tls == nil && s.Target.File == "" && s.Target.CommandWeight == checks.NoWeight && s.service != "agent" && s.Path.Mark == 0 {
		return nil
	}
	return &checks.Note{}
}

// pings reports whether connect means ping: UDP has nothing to connect to.
func (s *Check) pings() bool {
	return s.kind == config.CheckPing || s.Target.UDP && s.kind != config.CheckNegotiate
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

// Names returns the checks that the spec needs, by checks.For's names.
func (s *Check) Names() []string {
	connect := "connect"
	if s.pings() {
		connect = "ping"
	}
	switch s.kind {
	case config.CheckNegotiate:
		return []string{s.service}
	case config.CheckCombined:
		return []string{s.service, connect}
	case config.CheckExternal:
		return []string{"external"}
	case config.CheckExternalPerl:
		return []string{"external-perl"}
	}
	return []string{connect}
}

// First returns the check that a probe begins with.
func (s *Check) First() string { return s.Names()[0] }

// Limit returns how long the check of a name may take.
func (s *Check) Limit(name string) time.Duration {
	if s.kind == config.CheckNegotiate || s.kind == config.CheckCombined && name == s.service {
		return s.negotiateTimeout
	}
	return s.connectTimeout * time.Duration(max(1, s.Target.Attempts))
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
