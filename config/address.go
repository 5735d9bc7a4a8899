package config

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// lookupTimeout bounds the look-up of one name, lookupBudget that of all
// names of a file.
const (
	lookupTimeout = 5 * time.Second
	lookupBudget  = 30 * time.Second
)

// names finds addresses and ports by their names, each address once.
type names struct {
	ctx   context.Context
	res   Resolver
	ports func() portDB
	known map[string]lookup
}

type lookup struct {
	addr netip.Addr
	err  error
}

// An endpoint is ADDRESS[:PORT] as it stands in a line.
type endpoint struct {
	host   string // an IPv6 address without its brackets
	hostAt int
	six    bool // it stood in brackets
	port   string
	portAt int
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
	p, ok := n.ports().port(e.port, proto)
	if !ok {
		return 0, f.fail(e.portAt, fmt.Sprintf("no port is known for the service name `%s`", e.port), "write the number of the port")
	}
	return p, true
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

func (n *names) resolve(f *field, e endpoint, six bool) (netip.Addr, bool) {
	network := "ip4"
	if six {
		network = "ip6"
	}
	found, ok := n.known[network+e.host]
	if !ok {
		found = n.ask(network, e.host)
		n.known[network+e.host] = found
	}
	if found.err != nil {
		return found.addr, f.fail(e.hostAt, fmt.Sprintf("no address found for `%s`: %v", e.host, found.err), "write the address, or put the name into /etc/hosts")
	}
	return found.addr, true
}

func (n *names) ask(network, host string) lookup {
	ctx, cancel := context.WithTimeout(n.ctx, lookupTimeout)
	defer cancel()
	addrs, err := n.res.LookupNetIP(ctx, network, host)
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); a.Is4() == (network == "ip4") {
			return lookup{addr: a}
		}
	}
	if err == nil {
		err = fmt.Errorf("it has none of network %s", network)
	}
	return lookup{err: err}
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
