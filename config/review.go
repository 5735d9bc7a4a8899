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

// A review looks at one section after all of its lines have been read. It refuses
// contradictions, warns of settings that ldirectord accepts although they cannot
// work, and drops settings without effect.
type review struct {
	*parser
	sec *section
	v   *Virtual
}

func (r *review) run() {
	r.virtual()
	r.reals()
	r.check()
	r.request()
	r.tls()
	r.web()
	r.further()
	r.fallbackServer()
	r.tunnel()
	r.monitorFile()
}

// setBy returns the line that set a directive for the section, its own or a
// global one; the virtual line if none did.
func (r *review) setBy(name string) *stmt {
	if s := r.sec.body.lastOf(name); s != nil {
		return s
	}
	if s := r.globals.lastOf(name); s != nil {
		return s
	}
	return &r.sec.head
}

func (r *review) virtual() {
	if r.v.ID.Protocol != dataplane.FWMark && r.v.ID.Addr.Port() == 0 && r.v.Persistent == 0 {
		r.warn(&r.sec.head, r.sec.head.valAt, "a service on port 0 takes no traffic unless it is persistent", "write the port, or add persistent=SECONDS")
	}
	if r.v.Origins["persistent"].set() && r.v.Persistent == 0 {
		s := r.sec.line("persistent")
		r.warn(s, s.valAt, "persistent=0 is no persistence", "remove the line")
	}
	if r.v.Origins["netmask"].set() && r.v.Persistent == 0 {
		s := r.sec.line("netmask")
		r.warn(s, s.keyAt, "`netmask` has no effect without `persistent`", "add persistent=SECONDS")
	}
	if r.v.OnePacket && r.v.ID.Protocol != dataplane.UDP {
		s := r.sec.line("ops")
		r.warn(s, s.keyAt, fmt.Sprintf("`ops` has no effect on a %s service", r.v.ID.Protocol), "it is for protocol=udp")
		r.v.OnePacket = false
	}
	r.sources()
	r.clients()
	r.waits()
	r.link()
	r.slowStart()
	r.judgement()
	r.observation()
	r.checkPath()
	for _, flag := range r.v.SchedFlags {
		if name, _, _ := strings.Cut(flag, "-"); name != "flag" && name != r.v.Scheduler {
			s := r.sec.line("schedflags")
			r.warn(s, s.valAt, fmt.Sprintf("the flag %s means nothing to scheduler %s", flag, r.v.Scheduler), "")
		}
	}
}

// link warns of a link for a service that has no address to put there. A global
// directive is not warned of: it is meant for the sections that it suits.
func (r *review) link() {
	if r.v.Interface == "" || !r.v.Origins["interface"].set() {
		return
	}
	s := r.sec.line("interface")
	switch a := r.v.ID.Addr.Addr(); {
	case r.v.ID.Protocol == dataplane.FWMark:
		r.warn(s, s.keyAt, "`interface` has no effect on a firewall mark, which has no address", "remove the line")
	case a.IsUnspecified() || a.IsLoopback() || a.IsMulticast():
		r.warn(s, s.keyAt, fmt.Sprintf("`interface` has no effect: %s is no address to put on a link", a), "remove the line")
	}
}

// reals warns of ports that direct routing cannot reach, and keeps one
// of several real servers that are the same to the dataplane.
func (r *review) reals() {
	seen := make(map[netip.AddrPort]int, len(r.v.Reals))
	kept := r.v.Reals[:0]
	for i := range r.v.Reals {
		real := &r.v.Reals[i]
		s := r.sec.body.numbered(real.Pos.Line)
		to := r.v.mapped(real.Addr, real.Forward)
		if old, dup := seen[to]; dup {
			if r.first(s, "duplicate") {
				r.warn(s, s.valAt, fmt.Sprintf("the real server %s is already on line %d", endpointText(to), old), "the first line counts; remove this one")
			}
			continue
		}
		seen[to] = real.Pos.Line
		kept = append(kept, *real)
		r.realServer(s, real, to)
	}
	r.v.Reals = slices.Clip(kept)
}

func (r *review) realServer(s *stmt, real *Real, to netip.AddrPort) {
	if own := real.Addr.Port(); own != 0 && own != to.Port() && r.v.ID.Protocol != dataplane.FWMark && r.first(s, "port") {
		r.warn(s, s.valAt, fmt.Sprintf("%s cannot change the port: traffic goes to port %d, not to %d", real.Forward, to.Port(), own),
			fmt.Sprintf("write masq, or port %d with checkport=%d", to.Port(), own))
	}
	if a := real.Addr.Addr(); (a.IsUnspecified() || a.IsMulticast()) && r.first(s, "address") {
		r.warn(s, s.valAt, fmt.Sprintf("%s is no address of a server", a), "")
	}
	if r.v.needsPort() && r.v.CheckAddr(real).Port() == 0 && r.first(s, "checkport") {
		r.warn(s, s.valAt, fmt.Sprintf("there is no port to check %s on: the check always fails", real.Addr.Addr()), "add a port, or checkport=PORT to the section")
	}
}

// mapped returns the address at which traffic reaches a server at a.
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

func (r *review) check() {
	misread := r.sec.body.lastOf("service") != nil && !r.v.Origins["service"].set()
	if r.v.CheckType == CheckNegotiate && r.v.Service == services.None && len(r.v.Reals) > 0 && len(r.v.Checks) == 0 && !misread {
		s := r.sec.line("service")
		r.warn(s, s.keyAt, "service none is not checked: its real servers are always up", "write service=NAME, or checktype=connect")
	}
	external := r.v.CheckType == CheckExternal || r.v.CheckType == CheckExternalPerl
	if external {
		r.command()
	}
	if s := r.sec.body.lastOf("checkcommandweight"); s != nil && !external {
		r.warn(s, s.keyAt, "`checkcommandweight` has no effect: the check runs no command", "write checktype=external, or remove the line")
	}
	r.checkFile()
}

// checkFile refuses a file check without a file, and warns of a file
// without such a check.
func (r *review) checkFile() {
	reads := r.v.negotiates() && r.v.service().Uses.Has(services.CheckFile)
	s := r.sec.body.lastOf("checkfile")
	switch {
	case reads && r.v.CheckFile == "" && s == nil:
		s = r.sec.line("service")
		r.fail(s, s.keyAt, "a file check without `checkfile` has nothing to read", "add checkfile=PATH of a file, or of a folder with files named ADDRESS:PORT")
	case reads && s != nil && !strings.HasPrefix(r.v.CheckFile, "/"):
		r.fail(s, s.valAt, fmt.Sprintf("`%s` is no path of a file", r.v.CheckFile), "a path begins with a slash")
	case !reads && s != nil:
		r.warn(s, s.keyAt, "`checkfile` has no effect: the check reads no file", "write service=file, or remove the line")
	}
}

func (r *review) command() {
	s := r.sec.line("checkcommand")
	if !r.v.Origins["checkcommand"].set() {
		s = r.sec.line("checktype")
		r.warn(s, s.keyAt, "an external check without `checkcommand` is always good", "add checkcommand=PROGRAM")
		return
	}
	r.program(s, r.v.CheckCommand)
}

// program warns if the program that a line names as a check is missing.
func (r *review) program(s *stmt, path string) {
	if _, err := files.Stat(path); err == nil {
		return
	}
	hint := "the check always fails until it is there"
	if strings.Contains(path, " ") {
		hint = "the whole value is the name of the program: it gets no arguments of yours"
	}
	r.warn(s, s.valAt, "there is no program "+path, hint)
}

func (r *review) request() {
	if r.v.CheckType != CheckNegotiate && r.v.CheckType != CheckCombined {
		return
	}
	service := r.v.service()
	if service.Uses.Has(services.Method) && r.v.HTTPMethod == "HEAD" && r.v.anyReceive() {
		s := r.sec.line("httpmethod")
		r.warn(s, s.keyAt, "the answer to HEAD has no body: the pattern never matches", "write httpmethod=GET, or remove receive")
	}
	if service.Query && (r.v.Login == "" || !r.v.Origins["request"].set()) {
		s := r.sec.line("service")
		r.warn(s, s.keyAt, fmt.Sprintf("a check of %s needs `login` and `request`: it always fails", r.v.Service), "add both")
	}
	if service.Datagram {
		r.datagram()
	}
	if service.Search && (!r.v.anyReceive() || !r.v.anyRequest(func(request string) bool { return request != "/" })) {
		s := r.sec.line("service")
		r.warn(s, s.keyAt, fmt.Sprintf("a check of %s needs `request` and `receive`: it always fails", r.v.Service), "add both")
	}
	if service.URL == services.WholeURL && r.v.anyRequest(relative) {
		s := r.sec.line("request")
		r.warn(s, s.keyAt, "a proxy is asked for a whole URL: the check always fails", `write request="http://HOST/PATH"`)
	}
}

// datagram refuses a request that cannot be sent as a datagram.
func (r *review) datagram() {
	for i := range r.v.Reals {
		real := &r.v.Reals[i]
		if _, err := services.Payload(real.Request); err != nil {
			s := r.sec.line("request")
			if real.Request != r.v.Request {
				s = r.sec.body.numbered(real.Pos.Line)
			}
			r.fail(s, s.valAt, fmt.Sprintf("the request %q of a %s check: %v", strings.TrimPrefix(real.Request, "/"), r.v.Service, err),
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

func (r *review) fallbackServer() {
	fb := r.v.Fallback
	if fb == nil || fb.Sorry {
		return
	}
	s := r.sec.fallbackLine()
	warn := func(text, hint string) { r.warn(s, s.keyAt, "fallback "+endpointText(fb.Addr)+": "+text, hint) }
	to := r.v.mapped(fb.Addr, fb.Forward)
	marked := r.v.ID.Protocol == dataplane.FWMark
	if !marked && fb.Addr.Port() != 0 && to.Port() != fb.Addr.Port() {
		warn(fmt.Sprintf("%s cannot change the port, traffic goes to port %d", fb.Forward, to.Port()), "let it listen on that port, or write fallback=sorry")
	}
	if fb.Forward == dataplane.Masq && fb.Addr.Addr().IsLoopback() {
		warn("masq to a loopback address does not work with IPVS", "use gate, another address, or write fallback=sorry")
	}
	if fb.Addr.Addr().Is6() != r.sec.six && fb.Forward != dataplane.IPIP {
		warn("the address family is not that of the service, which only the proxy and ipip can do", "write fallback=sorry, or an address of the other family")
	}
	for i := range r.v.Reals {
		if r.v.mapped(r.v.Reals[i].Addr, r.v.Reals[i].Forward) == to {
			warn(fmt.Sprintf("it is the real server of line %d", r.v.Reals[i].Pos.Line), "a server that is down cannot stand in for itself")
			break
		}
	}
}

func (r *review) monitorFile() {
	if r.v.MonitorFile == "" {
		return
	}
	if dir := filepath.Dir(r.v.MonitorFile); !isDir(dir) {
		s := r.sec.line("monitorfile")
		r.warn(s, s.valAt, "there is no folder "+dir, "make it, or nothing can be written there")
	}
}

// fallbackLine returns the line that set the fallback, the virtual line if it is
// inherited.
func (sec *section) fallbackLine() *stmt {
	if s := sec.body.lastOf("fallback", "fallback6"); s != nil {
		return s
	}
	return &sec.head
}

// waits warns of the section's own lines about connections that have no effect.
// Values that were meant for all sections are meant for those they suit.
func (r *review) waits() {
	limited := func(r Real) bool { return r.MaxConn > 0 }
	for _, name := range []string{"maxqueue", "queuetimeout", "keepalive", "tcpusertimeout"} {
		s := r.sec.line(name)
		switch waits := name == "maxqueue" || name == "queuetimeout"; {
		case s == &r.sec.head || name == "maxqueue" && r.v.MaxQueue == 0:
		case r.v.ID.Protocol == dataplane.UDP && waits:
			r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect on a udp service: datagrams do not wait", name), "remove the line")
		case r.v.ID.Protocol == dataplane.UDP:
			r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect on a udp service", name), "`idletimeout` is when the proxy ends a flow")
		case waits && r.v.MaxConn == 0 && !slices.ContainsFunc(r.v.Reals, limited):
			r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect without `maxconn`: nobody waits", name), "add maxconn=NUMBER")
		}
	}
}
