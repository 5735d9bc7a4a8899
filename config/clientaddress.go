package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// proxyVersions are the words of proxyprotocol, each at its version.
var proxyVersions = []string{"no", "v1", "v2"}

var proxyProtocol = bind("`no`, `v1` or `v2`", func(f *field) (int, bool) {
	w, ok := f.oneOf(proxyVersions, "")
	for version, known := range proxyVersions {
		if w == known {
			return version, ok
		}
	}
	return 0, false
}, func(version int) string { return proxyVersions[version] })(func(t target) *int { return &t.s.ProxyProtocol })

// prefixes are lists of networks, none of them being `none`.
var prefixes = bind("`none`, or networks and addresses, separated by commas", (*field).prefixes, writePrefixes)

// prefixes reads ADDRESS[/BITS][, ...].
func (f *field) prefixes() ([]netip.Prefix, bool) {
	f.straighten()
	f.comment(false)
	if f.val == "none" {
		return nil, true
	}
	if _, ok := f.filled(f.val); !ok {
		return nil, false
	}
	var all []netip.Prefix
	at := f.valAt
	for part := range strings.SplitSeq(f.val, ",") {
		word := strings.TrimSpace(part)
		p, ok := f.prefix(word, at+strings.Index(part, word))
		if !ok {
			return nil, false
		}
		all = append(all, p)
		at += len(part) + 1
	}
	return all, true
}

// prefix reads one network, or an address as the network that holds it alone.
func (f *field) prefix(word string, at int) (netip.Prefix, bool) {
	p, wrong, remark := parsePrefix(word)
	switch {
	case word == "":
		return p, f.fail(at, "nothing stands here", "remove the comma")
	case wrong != "":
		return p, f.fail(at, wrong, "write them like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7, separated by commas")
	case remark != "":
		address, _, _ := strings.Cut(word, "/")
		return p, f.fail(at, fmt.Sprintf("%s has more than %d bits", word, p.Bits()), fmt.Sprintf("write %s, or %s for the address alone", p, address))
	}
	return p, true
}

func writePrefixes(all []netip.Prefix) string {
	if len(all) == 0 {
		return "none"
	}
	words := make([]string, len(all))
	for i, p := range all {
		words[i] = p.String()
		if p.IsSingleIP() {
			words[i] = p.Addr().String()
		}
	}
	return strings.Join(words, ", ")
}
