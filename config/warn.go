package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/files"
	"github.com/shunt-lb/shunt/internal/services"
)

// review warns of what ldirectord accepts although it cannot work, and drops
// what has no effect.
func (p *parser) review(sec *section, v *Virtual) {
	p.reviewService(sec, v)
	p.reviewReals(sec, v)
	p.reviewCheck(sec, v)
	p.reviewRequest(sec, v)
	reviewTLS(p, sec, v)
	reviewWeb(p, sec, v)
	reviewFurther(p, sec, v)
	p.reviewFallback(sec, v)
	p.reviewTunnel(sec, v)
	p.reviewFiles(sec, v)
}

func (p *parser) reviewService(sec *section, v *Virtual) {
	if v.ID.Protocol != dataplane.FWMark && v.ID.Addr.Port() == 0 && v.Persistent == 0 {
		p.warn(&sec.head, sec.head.valAt, "a service on port 0 takes no traffic unless it is persistent", "write the port, or add persistent=SECONDS")
	}
	if v.Origins["persistent"].set() && v.Persistent == 0 {
		s := sec.line("persistent")
		p.warn(s, s.valAt, "persistent=0 is no persistence", "remove the line")
	}
	if v.Origins["netmask"].set() && v.Persistent == 0 {
		s := sec.line("netmask")
		p.warn(s, s.keyAt, "`netmask` has no effect without `persistent`", "add persistent=SECONDS")
	}
	if v.OnePacket && v.ID.Protocol != dataplane.UDP {
		s := sec.line("ops")
		p.warn(s, s.keyAt, fmt.Sprintf("`ops` has no effect on a %s service", v.ID.Protocol), "it is for protocol=udp")
		v.OnePacket = false
	}
	p.reviewSources(sec, v)
	p.reviewServed(sec, v)
	p.reviewWaiting(sec, v)
	p.reviewInterface(sec, v)
	p.reviewSlowStart(sec, v)
	p.reviewJudgement(sec, v)
	p.reviewObserve(sec, v)
	p.reviewCheckPath(sec, v)
	for _, flag := range v.SchedFlags {
		if name, _, _ := strings.Cut(flag, "-"); name != "flag" && name != v.Scheduler {
			s := sec.line("schedflags")
			p.warn(s, s.valAt, fmt.Sprintf("the flag %s means nothing to scheduler %s", flag, v.Scheduler), "")
		}
	}
}

// reviewInterface warns of a link for what has no address to put there. What
// was meant for all sections is meant for those it suits.
func (p *parser) reviewInterface(sec *section, v *Virtual) {
	if v.Interface == "" || !v.Origins["interface"].set() {
		return
	}
	s := sec.line("interface")
	switch a := v.ID.Addr.Addr(); {
	case v.ID.Protocol == dataplane.FWMark:
		p.warn(s, s.keyAt, "`interface` has no effect on a firewall mark, which has no address", "remove the line")
	case a.IsUnspecified() || a.IsLoopback() || a.IsMulticast():
		p.warn(s, s.keyAt, fmt.Sprintf("`interface` has no effect: %s is no address to put on a link", a), "remove the line")
	}
}

// reviewReals warns of ports that direct routing cannot reach, and keeps one
// of several real servers that are the same to the dataplane.
func (p *parser) reviewReals(sec *section, v *Virtual) {
	seen := make(map[netip.AddrPort]int, len(v.Reals))
	kept := v.Reals[:0]
	for i := range v.Reals {
		r := &v.Reals[i]
		s := sec.body.numbered(r.Pos.Line)
		to := v.mapped(r.Addr, r.Forward)
		if old, dup := seen[to]; dup {
			if p.first(s, "duplicate") {
				p.warn(s, s.valAt, fmt.Sprintf("the real server %s is already on line %d", endpointText(to), old), "the first line counts; remove this one")
			}
			continue
		}
		seen[to] = r.Pos.Line
		kept = append(kept, *r)
		p.reviewReal(s, v, r, to)
	}
	v.Reals = slices.Clip(kept)
}

func (p *parser) reviewReal(s *stmt, v *Virtual, r *Real, to netip.AddrPort) {
	if own := r.Addr.Port(); own != 0 && own != to.Port() && v.ID.Protocol != dataplane.FWMark && p.first(s, "port") {
		p.warn(s, s.valAt, fmt.Sprintf("%s cannot change the port: traffic goes to port %d, not to %d", r.Forward, to.Port(), own),
			fmt.Sprintf("write masq, or port %d with checkport=%d", to.Port(), own))
	}
	if a := r.Addr.Addr(); (a.IsUnspecified() || a.IsMulticast()) && p.first(s, "address") {
		p.warn(s, s.valAt, fmt.Sprintf("%s is no address of a server", a), "")
	}
	if v.needsPort() && v.CheckAddr(r).Port() == 0 && p.first(s, "checkport") {
		p.warn(s, s.valAt, fmt.Sprintf("there is no port to check %s on: the check always fails", r.Addr.Addr()), "add a port, or checkport=PORT to the section")
	}
}

// mapped is where traffic for a server at a reaches it.
func (v *Virtual) mapped(a netip.AddrPort, f dataplane.Forward) netip.AddrPort {
	if v.ID.Protocol == dataplane.FWMark {
		return netip.AddrPortFrom(a.Addr(), dataplane.MappedPort(f, a.Port(), 0))
	}
	return netip.AddrPortFrom(a.Addr(), dataplane.MappedPort(f, a.Port(), v.ID.Addr.Port()))
}

// needsPort reports whether checks of v connect to a port.
func (v *Virtual) needsPort() bool {
	switch v.CheckType {
	case CheckNegotiate:
		return v.Service != services.None && !v.service().Uses.Has(services.CheckFile)
	case CheckConnect:
		return v.ID.Protocol != dataplane.UDP
	case CheckCombined:
		return true
	}
	return false
}

func (p *parser) reviewCheck(sec *section, v *Virtual) {
	misread := sec.body.lastOf("service") != nil && !v.Origins["service"].set()
	if v.CheckType == CheckNegotiate && v.Service == services.None && len(v.Reals) > 0 && !misread {
		s := sec.line("service")
		p.warn(s, s.keyAt, "service none is not checked: its real servers are always up", "write service=NAME, or checktype=connect")
	}
	external := v.CheckType == CheckExternal || v.CheckType == CheckExternalPerl
	if external {
		p.reviewCommand(sec, v)
	}
	if s := sec.body.lastOf("checkcommandweight"); s != nil && !external {
		p.warn(s, s.keyAt, "`checkcommandweight` has no effect: the check runs no command", "write checktype=external, or remove the line")
	}
	reviewCheckFile(p, sec, v)
}

// reviewCheckFile refuses a file check without a file, and warns of a file
// without such a check.
func reviewCheckFile(p *parser, sec *section, v *Virtual) {
	reads := v.negotiates() && v.service().Uses.Has(services.CheckFile)
	s := sec.body.lastOf("checkfile")
	switch {
	case reads && v.CheckFile == "" && s == nil:
		s = sec.line("service")
		p.fail(s, s.keyAt, "a file check without `checkfile` has nothing to read", "add checkfile=PATH of a file, or of a folder with files named ADDRESS:PORT")
	case reads && s != nil && !strings.HasPrefix(v.CheckFile, "/"):
		p.fail(s, s.valAt, fmt.Sprintf("`%s` is no path of a file", v.CheckFile), "a path begins with a slash")
	case !reads && s != nil:
		p.warn(s, s.keyAt, "`checkfile` has no effect: the check reads no file", "write service=file, or remove the line")
	}
}

func (p *parser) reviewCommand(sec *section, v *Virtual) {
	s := sec.line("checkcommand")
	if !v.Origins["checkcommand"].set() {
		s = sec.line("checktype")
		p.warn(s, s.keyAt, "an external check without `checkcommand` is always good", "add checkcommand=PROGRAM")
		return
	}
	if _, err := files.Stat(v.CheckCommand); err == nil {
		return
	}
	hint := "the check always fails until it is there"
	if strings.ContainsAny(v.CheckCommand, " ") {
		hint = "the whole value is the name of the program: it gets no arguments of yours"
	}
	p.warn(s, s.valAt, fmt.Sprintf("there is no program %s", v.CheckCommand), hint)
}

func (p *parser) reviewRequest(sec *section, v *Virtual) {
	if v.CheckType != CheckNegotiate && v.CheckType != CheckCombined {
		return
	}
	service := v.service()
	if service.Uses.Has(services.Method) && v.HTTPMethod == "HEAD" && v.anyReceive() {
		s := sec.line("httpmethod")
		p.warn(s, s.keyAt, "the answer to HEAD has no body: the pattern never matches", "write httpmethod=GET, or remove receive")
	}
	if service.Query && (v.Login == "" || !v.Origins["request"].set()) {
		s := sec.line("service")
		p.warn(s, s.keyAt, fmt.Sprintf("a check of %s needs `login` and `request`: it always fails", v.Service), "add both")
	}
	if service.Datagram {
		p.reviewDatagram(sec, v)
	}
	if service.Search && (!v.anyReceive() || !v.anyRequest(func(request string) bool { return request != "/" })) {
		s := sec.line("service")
		p.warn(s, s.keyAt, fmt.Sprintf("a check of %s needs `request` and `receive`: it always fails", v.Service), "add both")
	}
	if service.URL == services.WholeURL && v.anyRequest(relative) {
		s := sec.line("request")
		p.warn(s, s.keyAt, "a proxy is asked for a whole URL: the check always fails", `write request="http://HOST/PATH"`)
	}
}

// reviewDatagram refuses a request that cannot be sent as a datagram.
func (p *parser) reviewDatagram(sec *section, v *Virtual) {
	for i := range v.Reals {
		r := &v.Reals[i]
		if _, err := services.Payload(r.Request); err != nil {
			s := sec.line("request")
			if r.Request != v.Request {
				s = sec.body.numbered(r.Pos.Line)
			}
			p.fail(s, s.valAt, fmt.Sprintf("the request %q of a %s check: %v", strings.TrimPrefix(r.Request, "/"), v.Service, err),
				`write hexadecimal digits, such as "ff ff 54", or "text:TEXT"`)
			return
		}
	}
}

func relative(request string) bool { return !absolute(request) }

// absolute reports whether a request is a URL with its scheme.
func absolute(request string) bool {
	scheme, _, ok := strings.Cut(strings.TrimPrefix(request, "/"), "://")
	return ok && scheme != "" && nameLen(scheme) == len(scheme)
}

func (v *Virtual) anyReceive() bool {
	return slices.ContainsFunc(v.Reals, func(r Real) bool { return r.Receive != nil })
}

func (v *Virtual) anyRequest(is func(string) bool) bool {
	return slices.ContainsFunc(v.Reals, func(r Real) bool { return is(r.Request) })
}

func (p *parser) reviewFallback(sec *section, v *Virtual) {
	fb := v.Fallback
	if fb == nil || fb.Sorry {
		return
	}
	s := sec.fallbackLine()
	warn := func(text, hint string) { p.warn(s, s.keyAt, "fallback "+endpointText(fb.Addr)+": "+text, hint) }
	to := v.mapped(fb.Addr, fb.Forward)
	marked := v.ID.Protocol == dataplane.FWMark
	if !marked && fb.Addr.Port() != 0 && to.Port() != fb.Addr.Port() {
		warn(fmt.Sprintf("%s cannot change the port, traffic goes to port %d", fb.Forward, to.Port()), "let it listen on that port, or write fallback=sorry")
	}
	if fb.Forward == dataplane.Masq && fb.Addr.Addr().IsLoopback() {
		warn("masq to a loopback address does not work with IPVS", "use gate, another address, or write fallback=sorry")
	}
	if fb.Addr.Addr().Is6() != sec.six && fb.Forward != dataplane.IPIP {
		warn("the address family is not that of the service, which only the proxy and ipip can do", "write fallback=sorry, or an address of the other family")
	}
	for i := range v.Reals {
		if v.mapped(v.Reals[i].Addr, v.Reals[i].Forward) == to {
			warn(fmt.Sprintf("it is the real server of line %d", v.Reals[i].Pos.Line), "a server that is down cannot stand in for itself")
			break
		}
	}
}

func (p *parser) reviewFiles(sec *section, v *Virtual) {
	if v.MonitorFile == "" {
		return
	}
	if dir := filepath.Dir(v.MonitorFile); !isDir(dir) {
		s := sec.line("monitorfile")
		p.warn(s, s.valAt, "there is no folder "+dir, "make it, or nothing can be written there")
	}
}

// fallbackLine is the line that set the fallback, the virtual line if it is
// inherited.
func (sec *section) fallbackLine() *stmt {
	if s := sec.body.lastOf("fallback", "fallback6"); s != nil {
		return s
	}
	return &sec.head
}

// reviewWaiting warns of a section's own lines about connections that do
// nothing. What was meant for all sections is meant for those it suits.
func (p *parser) reviewWaiting(sec *section, v *Virtual) {
	limited := func(r Real) bool { return r.MaxConn > 0 }
	for _, name := range []string{"maxqueue", "queuetimeout", "keepalive", "tcpusertimeout"} {
		s := sec.line(name)
		switch waits := name == "maxqueue" || name == "queuetimeout"; {
		case s == &sec.head || name == "maxqueue" && v.MaxQueue == 0:
		case v.ID.Protocol == dataplane.UDP && waits:
			p.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect on a udp service: datagrams do not wait", name), "remove the line")
		case v.ID.Protocol == dataplane.UDP:
			p.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect on a udp service", name), "`idletimeout` is when the proxy ends a flow")
		case waits && v.MaxConn == 0 && !slices.ContainsFunc(v.Reals, limited):
			p.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect without `maxconn`: nobody waits", name), "add maxconn=NUMBER")
		}
	}
}
