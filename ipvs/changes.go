package ipvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// changes describes how have differs from want. Both are states of the service
// id.
func changes(id dataplane.ServiceID, have, want state) []string {
	said := optionChanges(id, have.options, want.options)
	p := sort(have.servers, want.servers)
	for _, s := range slices.Concat(p.opening, p.other, p.closing, p.leaving) {
		i := slices.IndexFunc(have.servers, func(h server) bool { return h.addr == s.server.addr })
		switch s.verb {
		case addServer:
			said = append(said, fmt.Sprintf("real server %s is missing", s.server.addr))
		case delServer:
			said = append(said, fmt.Sprintf("real server %s with weight %d is not of the configuration", s.server.addr, s.server.weight))
		default:
			said = append(said, serverChanges(have.servers[i], s.server)...)
		}
	}
	return said
}

// missing returns the servers of want that are not in have.
func missing(have, want state) (gone []netip.AddrPort) {
	for _, w := range want.servers {
		if !slices.ContainsFunc(have.servers, func(h server) bool { return h.addr == w.addr }) {
			gone = append(gone, w.addr)
		}
	}
	return gone
}

// A change is one property, and whether it differs from what is wanted.
type change struct {
	what       string
	have, want any
}

// differing returns the descriptions of those of cs that differ.
func differing(cs []change) (said []string) {
	for _, c := range cs {
		if c.have != c.want {
			said = append(said, fmt.Sprintf("%s %v instead of %v", c.what, c.have, c.want))
		}
	}
	return said
}

func optionChanges(id dataplane.ServiceID, have, want options) []string {
	persistence := func(o options) string {
		if o.flags&flagPersistent == 0 {
			return "off"
		}
		return fmt.Sprintf("%v by %d bits", time.Duration(o.timeout)*time.Second, prefixBits(ipv6(id), o.netmask))
	}
	flags := func(o options) string {
		return strings.Join(flagNames(o.scheduler, o.flags&^(flagPersistent|flagOnePacket)), ",")
	}
	said := differing([]change{
		{"scheduler", have.scheduler, want.scheduler},
		{"flags of the scheduler", cmp.Or(flags(have), "none"), cmp.Or(flags(want), "none")},
		{"persistence", persistence(have), persistence(want)},
		{"engine of persistence", cmp.Or(have.engine, "none"), cmp.Or(want.engine, "none")},
		{"ops", have.flags&flagOnePacket != 0, want.flags&flagOnePacket != 0},
	})
	if said == nil && have != want {
		return []string{fmt.Sprintf("options are %+v, not %+v", have, want)}
	}
	return said
}

func serverChanges(have, want server) (said []string) {
	method := func(s server) string {
		if f := s.forward(); f != foreign {
			return f.String()
		}
		return fmt.Sprintf("method %d", s.method)
	}
	wrap := func(s server) string {
		if w, known := s.tunnel.words(); known {
			return w.String()
		}
		return fmt.Sprintf("type %d port %d flags %#x", s.tunnel.kind, s.tunnel.port, s.tunnel.flags)
	}
	for _, c := range differing([]change{
		{"weight", have.weight, want.weight},
		{"forwarding method", method(have), method(want)},
		{"tunnel", wrap(have), wrap(want)},
		{"upper threshold", have.upper, want.upper},
		{"lower threshold", have.lower, want.lower},
	}) {
		said = append(said, fmt.Sprintf("real server %s has %s", want.addr, c))
	}
	return said
}
