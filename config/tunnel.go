package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

var (
	tunnelTypes     = []dataplane.TunnelType{dataplane.TunnelIPIP, dataplane.TunnelGUE, dataplane.TunnelGRE}
	tunnelChecksums = []dataplane.TunnelChecksum{dataplane.ChecksumNo, dataplane.ChecksumYes, dataplane.ChecksumRemote}
)

var (
	tunnelType = oneWord(tunnelTypes, func(t target) *dataplane.TunnelType { return &t.s.Tunnel.Type })
	tunnelSum  = oneWord(tunnelChecksums, func(t target) *dataplane.TunnelChecksum { return &t.s.Tunnel.Checksum })
	tunnelPort = bind("port, 1 to 65535", readPortNumber, writePort)(func(t target) *uint16 { return &t.s.Tunnel.Port })
)

// oneWord makes values that are words.
func oneWord[T fmt.Stringer](known []T, at func(target) *T) value {
	var words []string
	for _, k := range known {
		words = append(words, k.String())
	}
	read := func(f *field) (v T, ok bool) {
		w, ok := f.oneOf(words, "")
		if ok {
			v = known[slices.Index(words, w)]
		}
		return v, ok
	}
	return bind("`"+strings.Join(words, "`, `")+"`", read, T.String)(at)
}

func readPortNumber(f *field) (uint16, bool) {
	n, ok := f.number(1, 65535)
	return uint16(n), ok
}

func writePort(p uint16) string {
	if p == 0 {
		return ""
	}
	return strconv.Itoa(int(p))
}

// TunnelTo returns the tunnel to a server of v, fallbacks included, with the
// forwarding method f: the settings of the tunnel directives that apply to it.
func (v *Virtual) TunnelTo(f dataplane.Forward) dataplane.Tunnel {
	t := v.Tunnel
	if f != dataplane.IPIP {
		return dataplane.Tunnel{}
	}
	if t.Type != dataplane.TunnelGUE {
		t.Port = 0
	}
	if t.Type == dataplane.TunnelIPIP {
		t.Checksum = dataplane.ChecksumNo
	}
	return t
}

// tunnels reports whether a server of v is reached by a tunnel.
func (v *Virtual) tunnels() bool {
	return slices.ContainsFunc(v.Reals, func(r Real) bool { return r.Forward == dataplane.IPIP }) ||
		v.Fallback != nil && !v.Fallback.Sorry && v.Fallback.Forward == dataplane.IPIP
}

var tunnelDirectives = []string{"tunneltype", "tunnelport", "tunnelchecksum"}

// tunnel refuses impossible tunnels, and warns of directives of the section that
// have no effect.
func (r *review) tunnel() {
	if !r.v.tunnels() {
		for _, name := range tunnelDirectives {
			if r.v.Origins[name].set() {
				s := r.sec.line(name)
				r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect: nothing in this section is reached by ipip", name), "write ipip in the real lines, or remove it")
			}
		}
		return
	}
	t := r.v.Tunnel
	if t.Type == dataplane.TunnelGUE && t.Port == 0 {
		r.badTunnel(r.setBy("tunneltype"), "a tunnel of type gue needs a port", "add tunnelport=PORT, on which the real servers take it, such as 6080")
	}
	if t.Type != dataplane.TunnelGUE && r.v.Origins["tunnelport"].set() {
		r.badTunnel(r.sec.line("tunnelport"), fmt.Sprintf("a tunnel of type %s has no port", t.Type), "remove the line, or write tunneltype=gue")
	}
	switch {
	case t.Type == dataplane.TunnelGRE && t.Checksum == dataplane.ChecksumRemote:
		r.badTunnel(r.setBy("tunnelchecksum"), "a tunnel of type gre cannot leave the checksum to the real server", "write tunnelchecksum=yes, or no, for this section")
	case t.Type == dataplane.TunnelIPIP && t.Checksum != dataplane.ChecksumNo && r.v.Origins["tunnelchecksum"].set():
		r.badTunnel(r.sec.line("tunnelchecksum"), "a tunnel of type ipip has no checksum", "remove the line, or write tunneltype=gre or gue")
	}
}

// badTunnel reports an error once, even if many sections inherit it.
func (r *review) badTunnel(s *stmt, text, hint string) {
	if r.first(s, text) {
		r.fail(s, s.keyAt, text, hint)
	}
}

// unusedTunnels warns of global directives that have no effect in any section.
func (p *parser) unusedTunnels() {
	used := map[string]bool{}
	for i := range p.cfg.Virtuals {
		v := &p.cfg.Virtuals[i]
		t := v.TunnelTo(dataplane.IPIP)
		used["tunneltype"] = used["tunneltype"] || v.tunnels()
		used["tunnelport"] = used["tunnelport"] || v.tunnels() && t.Type == dataplane.TunnelGUE
		used["tunnelchecksum"] = used["tunnelchecksum"] || v.tunnels() && t.Type != dataplane.TunnelIPIP
	}
	for _, name := range tunnelDirectives {
		if p.cfg.Global.Origins[name].set() && !used[name] {
			s := p.globals.lastOf(name)
			p.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect: no server is reached by such a tunnel", name), "write ipip in the real lines, or remove it")
		}
	}
}
