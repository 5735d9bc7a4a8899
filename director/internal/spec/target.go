package spec

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

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
