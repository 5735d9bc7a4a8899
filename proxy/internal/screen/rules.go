package screen

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Rules say which clients are served. They do not change; nil serves all.
type Rules struct {
	table bart.Table[bool]
	// others reports whether clients in no prefix are served.
	others bool
}

// NewRules returns the rules of two lists, as dataplane.ClientLists has them; nil if
// both are empty. The time of a look-up does not depend on their length.
func NewRules(allow, deny []netip.Prefix) *Rules {
	if len(allow)+len(deny) == 0 {
		return nil
	}
	r := &Rules{others: len(allow) == 0}
	for _, p := range allow {
		r.table.Insert(plain(p), true)
	}
	for _, p := range deny { // after the others: of two equal ones this counts
		r.table.Insert(plain(p), false)
	}
	return r
}

// plain returns the IPv4 network of one that is written as IPv6; others unchanged.
func plain(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p
}

// Serve reports whether a client is served. An IPv4 address that is written as
// an IPv6 one is an IPv4 address.
func (r *Rules) Serve(client netip.Addr) bool {
	if r == nil {
		return true
	}
	serve, listed := r.table.Lookup(client.Unmap().WithZone(""))
	if !listed {
		return r.others
	}
	return serve
}
