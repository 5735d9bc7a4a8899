package config

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

// maxReals is how many real servers a file may have.
const maxReals = 1 << 16

// section reads one section and what it inherits into a Virtual.
func (p *parser) section(sec *section) {
	v := inherit(&p.cfg.Global, sec.six)
	v.Pos = p.pos(&sec.head, sec.head.keyAt)
	t := target{g: &p.cfg.Global, s: &v.Settings, v: v, o: v.Origins, six: sec.six}
	f := &field{collector: p.collector, stmt: sec.head}
	h, ok := p.head(f, sec.six)
	for s := range sec.body.all() {
		p.apply(s, t)
	}
	if ok {
		ok = p.identify(f, sec, v, &h)
	}
	timeouts(&v.Settings, v.Origins)
	intervals(&v.Settings, v.Origins)
	p.late(sec, v, ok)
	r := &review{parser: p, sec: sec, v: v}
	r.clientPair()
	if !ok {
		p.cfg.LeftOut++
		return
	}
	r.run()
	if v.listless() {
		v = p.asBefore(v.ID)
	}
	if v == nil {
		p.cfg.LeftOut++
	} else if p.errors.Empty() { // else it is not used
		p.cfg.Virtuals = append(p.cfg.Virtuals, *v)
	}
}

// listless reports whether a list of clients of v could not be read, so that its
// clients are unknown.
func (v *Virtual) listless() bool {
	return v.Allow.Missing || v.Deny.Missing || v.TrustedProxies.Missing
}

// asBefore returns a service as it is in force, nil if it is not.
func (p *parser) asBefore(id dataplane.ServiceID) *Virtual {
	if p.before != nil {
		for i := range p.before.Virtuals {
			if v := &p.before.Virtuals[i]; v.ID == id {
				return v
			}
		}
	}
	return nil
}

// identify determines protocol, port and service.
func (p *parser) identify(f *field, sec *section, v *Virtual, h *head) (ok bool) {
	proto := v.ID.Protocol
	if proto == 0 {
		proto = h.defaultProtocol()
	} else if (proto == dataplane.FWMark) != (h.mark != 0) {
		s := sec.line("protocol")
		p.fail(s, s.valAt, fmt.Sprintf("protocol %s does not fit `%s=%s`", proto, sec.head.key, f.val), "addresses have tcp or udp, firewall marks fwm")
		return false
	}
	if v.ID, ok = p.id(f, h, sec.six, proto); !ok {
		return false
	}
	if proto == dataplane.UDP {
		v.note("protocol", fmt.Sprintf("from port %d", v.ID.Addr.Port()))
	}
	if !p.unique(sec, v, h.named()) {
		return false
	}
	serviceDefaults(v)
	return true
}

// note adds an explanation to a value that no line has set.
func (v *Virtual) note(name, why string) {
	if !v.Origins[name].given() {
		v.Origins[name] = Origin{Note: why}
	}
}

// A place is the line of a service.
type place struct {
	Pos
	named bool // its address is that of a name
}

// unique reports an error for a service that the file has already. Two names with
// one address are no error, since name servers may change: the first section
// counts.
func (p *parser) unique(sec *section, v *Virtual, named bool) bool {
	key := v.ID.String()
	old, dup := p.lines[key]
	switch text := fmt.Sprintf("the virtual service %s is already on %s", key, old.From(sec.head.file)); {
	case !dup:
		p.lines[key] = place{Pos: v.Pos, named: named}
	case named || old.named:
		p.wait(&sec.head, sec.head.valAt, text+"; this one is left out until its address is another", "make one section of both")
		return false
	default:
		p.fail(&sec.head, sec.head.valAt, text, "make one section of both")
	}
	return true
}

// serviceDefaults sets the values that follow from the port and the service.
func serviceDefaults(v *Virtual) {
	if v.Service == "" {
		v.Service = services.On(v.ID.Addr.Port())
		if v.Service != services.None {
			v.note("service", fmt.Sprintf("from port %d", v.ID.Addr.Port()))
		}
	}
	login, passwd := credentials(v.Service)
	if v.Login == "" && login != "" {
		v.Login = login
		v.note("login", "from service "+v.Service)
	}
	if v.Passwd == "" && passwd != "" {
		v.Passwd = passwd
		v.note("passwd", "from service "+v.Service)
	}
	if look := v.verification(); v.Verify == "" && look != "" {
		v.Verify = look
		v.note("verify", "from service "+v.Service)
	}
}

// credentials returns the default login and password of a service.
func credentials(service string) (login, passwd string) {
	s, _ := services.Named(service)
	with := func(text string) string { return strings.Replace(text, "HOST", hostname(), 1) }
	return with(s.Login), with(s.Passwd)
}

func hostname() string {
	if h := os.Getenv("HOSTNAME"); h != "" && controlAt(h) < 0 {
		return h
	}
	h, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return h
}

// late reads the lines that need the rest of the section. known is false if the
// virtual line is wrong; then only their errors count.
func (p *parser) late(sec *section, v *Virtual, known bool) {
	inheritFallback(&p.cfg.Global, v, sec.six)
	for s := range sec.body.all() {
		f := &field{collector: p.collector, stmt: *s}
		switch s.key {
		case "real", "real6":
			if p.total > maxReals {
				continue // it has been said
			}
			six := s.key == "real6"
			reals := p.real(f, v, six)
			if len(reals) > 0 && known && six != sec.six && reals[0].Forward != dataplane.IPIP {
				p.fail(s, s.keyAt, fmt.Sprintf("`%s` in a `%s` section", s.key, sec.head.key), fmt.Sprintf("write %s=, or ipip: only a tunnel leads to the other address family", realKey(sec.six)))
				continue
			}
			p.addReals(f, v, reals)
		case "fallback", "fallback6":
			p.sectionFallback(f, v)
		}
	}
	v.Reals = slices.Clone(v.Reals) // without the room there was for more
}

func realKey(six bool) string {
	if six {
		return "real6"
	}
	return "real"
}

// inheritFallback gives v the global fallback.
func inheritFallback(g *Global, v *Virtual, six bool) {
	fb, name := globalFallback(g, six)
	if fb == nil {
		return
	}
	own := *fb
	if own.Addr.IsValid() && own.Addr.Port() == 0 {
		own.Addr = netip.AddrPortFrom(own.Addr.Addr(), v.ID.Addr.Port())
	}
	v.Fallback = &own
	v.Origins[shownAs(&own)] = Origin{Pos: g.Origins[name].Pos, Note: "global"}
}

// globalFallback returns the global fallback of a family, else that of the other
// one, and the directive that set it.
func globalFallback(g *Global, six bool) (fb *Fallback, name string) {
	if g.Fallback6 != nil && (six || g.Fallback == nil) {
		return g.Fallback6, "fallback6"
	}
	return g.Fallback, "fallback"
}

// shownAs returns the directive for the fallback of a section.
func shownAs(fb *Fallback) string {
	if !fb.Sorry && fb.Addr.Addr().Is6() {
		return "fallback6"
	}
	return "fallback"
}

func (p *parser) sectionFallback(f *field, v *Virtual) {
	proto := v.ID.Protocol
	if proto == dataplane.FWMark {
		proto = 0
	}
	fb, ok := p.fallback(f, proto, v.ID.Addr.Port())
	delete(v.Origins, "fallback")
	delete(v.Origins, "fallback6")
	if v.Fallback = fb; !ok {
		return // it does not stand in for what it was to replace
	}
	v.Origins[shownAs(fb)] = Origin{Pos: fb.Pos}
}

// addReals adds the servers of one line, each address once.
func (p *parser) addReals(f *field, v *Virtual, reals []Real) {
	if p.total += len(reals); p.total > maxReals {
		if p.total-len(reals) <= maxReals {
			f.fail(f.valAt, fmt.Sprintf("more than %d real servers in one file", maxReals), "")
		}
		return
	}
	v.Reals = append(v.Reals, reals...)
}

// line returns the line of the section that set a directive, the virtual line if
// none did.
func (sec *section) line(name string) *stmt {
	if s := sec.body.lastOf(name); s != nil {
		return s
	}
	return &sec.head
}
