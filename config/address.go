package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/lookup"
	"github.com/shunt-lb/shunt/dataplane"
)

// names finds addresses and ports by their names.
type names struct {
	ports func() (lookup.Ports, error)
	known map[lookup.Question]lookup.Result
	asked map[lookup.Question]bool // questions without an answer in known
}

// An endpoint is ADDRESS[:PORT] as it stands in a line.
type endpoint struct {
	host   string // an IPv6 address without its brackets
	hostAt int
	six    bool // it stood in brackets
	port   string
	portAt int
}

// named reports whether the host is a name rather than an address.
func (e endpoint) named() bool {
	if _, err := netip.ParseAddr(e.host); err == nil || e.host == "" {
		return false
	}
	_, old := classic(e.host)
	return !old
}

// takeEndpoint reads an endpoint at the start of s, which stands at the
// offset at of its line, and returns what follows it. A host consists of
// letters, digits and what more allows.
func takeEndpoint(s string, at int, more string) (e endpoint, rest string) {
	e, rest = takeHost(s, at, more)
	return e.takePort(rest, at+len(s)-len(rest))
}

func takeHost(s string, at int, more string) (e endpoint, rest string) {
	if strings.HasPrefix(s, "[") {
		if end := strings.IndexByte(s, ']'); end > 0 {
			return endpoint{host: s[1:end], hostAt: at + 1, six: true}, s[end+1:]
		}
	}
	n := 0
	for n < len(s) && (isAlnum(s[n]) || strings.IndexByte(more, s[n]) >= 0) && !strings.HasPrefix(s[n:], "->") {
		n++
	}
	return endpoint{host: s[:n], hostAt: at}, s[n:]
}

func (e endpoint) takePort(s string, at int) (endpoint, string) {
	if !strings.HasPrefix(s, ":") {
		return e, s
	}
	n := 1
	for n < len(s) && (isAlnum(s[n]) || strings.IndexByte("-_+.", s[n]) >= 0) {
		n++
	}
	if n == 1 {
		return e, s
	}
	e.port, e.portAt = s[1:n], at+1
	return e, s[n:]
}

// number returns the port of e, 0 if it has none.
func (n *names) number(f *field, e endpoint, proto dataplane.Protocol) (uint16, bool) {
	if e.port == "" {
		return 0, true
	}
	if digitsLen(e.port) == len(e.port) {
		p, err := strconv.ParseUint(e.port, 10, 16)
		if err != nil {
			return 0, f.fail(e.portAt, fmt.Sprintf("there is no port %s", e.port), "ports are 0 to 65535")
		}
		return uint16(p), true
	}
	return n.portOf(f, e, proto)
}

// portOf looks a port up. A name that is not in the services database is an
// error. If the database is missing the line waits for it.
func (n *names) portOf(f *field, e endpoint, proto dataplane.Protocol) (uint16, bool) {
	db, err := n.ports()
	p, ok := db.Port(e.port, proto)
	if ok {
		return p, true
	}
	text, hint := fmt.Sprintf("no port is known for the service name `%s`", e.port), "write the number of the port"
	if err != nil {
		return 0, f.wait(e.portAt, fmt.Sprintf("%s: %v; %s", text, err, f.without()), hint)
	}
	return 0, f.fail(e.portAt, text, hint)
}

// addr returns the address of e in the family wanted.
func (n *names) addr(f *field, e endpoint, six bool) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(e.host); err == nil {
		return n.literal(f, e, a, six)
	}
	if e.six {
		return netip.Addr{}, f.fail(e.hostAt, fmt.Sprintf("`%s` is no IPv6 address", e.host), "")
	}
	if a, ok := classic(e.host); ok && !six {
		f.warn(e.hostAt, fmt.Sprintf("`%s` is read as %s", e.host, a), "write the address in full")
		return a, true
	}
	if dotted(e.host) {
		return netip.Addr{}, f.fail(e.hostAt, fmt.Sprintf("`%s` is no IPv4 address", e.host), "four numbers from 0 to 255, with dots between them")
	}
	return n.resolve(f, e, six)
}

// dotted reports whether a host that is no address was meant to be one: no
// name ends in a number.
func dotted(host string) bool {
	return strings.Trim(host, "0123456789.") == ""
}

func (n *names) literal(f *field, e endpoint, a netip.Addr, six bool) (netip.Addr, bool) {
	switch {
	case a.Zone() != "":
		return a, f.fail(e.hostAt, fmt.Sprintf("`%s` has a zone", e.host), "write the address without %"+a.Zone())
	case a.Is6() && !six:
		return a, f.fail(e.hostAt, fmt.Sprintf("`%s` is an IPv6 address", e.host), fmt.Sprintf("the IPv6 form is %s6=[ADDRESS]:PORT", strings.TrimSuffix(f.key, "6")))
	case a.Is4() && six:
		return a, f.fail(e.hostAt, fmt.Sprintf("`%s` is an IPv4 address", e.host), fmt.Sprintf("the IPv4 form is %s=ADDRESS:PORT", strings.TrimSuffix(f.key, "6")))
	}
	return a, true
}

// resolve returns the address of a name, as far as it is known. A name that has
// not been looked up yet is added to asked, without a problem.
func (n *names) resolve(f *field, e endpoint, six bool) (netip.Addr, bool) {
	if why := neverName(e.host); why != "" {
		return netip.Addr{}, f.fail(e.hostAt, fmt.Sprintf("`%s` is neither an address nor a name: %s", e.host, why), "write the address")
	}
	q := lookup.Question{Network: "ip4", Host: e.host}
	if six {
		q.Network = "ip6"
	}
	found, ok := n.known[q]
	switch {
	case !ok && len(n.known)+len(n.asked) >= lookup.MaxNames && !n.asked[q]:
		return netip.Addr{}, f.fail(e.hostAt, fmt.Sprintf("there are more than %d host names in one file", lookup.MaxNames), "write addresses")
	case !ok:
		n.asked[q] = true
		return netip.Addr{}, false
	case found.Err == nil:
		return found.Addr, true
	case found.Addr.IsValid():
		f.wait(e.hostAt, fmt.Sprintf("no address found for `%s` now: %v; %s, which it had before, stays in use", e.host, found.Err, found.Addr), nameHint)
		return found.Addr, true
	}
	return netip.Addr{}, f.wait(e.hostAt, fmt.Sprintf("no address found for `%s`: %v; %s", e.host, found.Err, f.without()), nameHint)
}

const nameHint = "write the address, or put the name into /etc/hosts"

// neverName returns why s cannot be the name of any host, "" if it can.
func neverName(s string) string {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	numbers := 0
	for _, l := range labels {
		switch {
		case l == "":
			return "two dots have nothing between them"
		case len(l) > 63:
			return "a part of a name has 63 characters at the most"
		}
		if _, err := strconv.ParseUint(l, 0, 64); err == nil || digitsLen(l) == len(l) {
			numbers++
		}
	}
	switch {
	case numbers == len(labels):
		return "an IPv4 address is four numbers of 0 to 255"
	case len(s) > 253:
		return "a name has 253 characters at the most"
	}
	return ""
}

// classic reads the IPv4 forms of inet_aton(3), which ldirectord accepts by
// way of the C library: 127.1, 0x7f000001, 010.0.0.1.
func classic(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		v, err := strconv.ParseUint(part, 0, 33)
		if err != nil || strings.ContainsAny(part, "_oObB") || v >= 1<<bits {
			return netip.Addr{}, false
		}
		sum = sum<<bits | v
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}
