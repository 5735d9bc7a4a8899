package lab

import (
	"math/big"
	"net/netip"
)

// The two networks. That of the client is as wide so that clients may be
// given thousands of addresses, and the other for as many real servers.
var (
	front4 = netip.MustParsePrefix("10.1.0.0/16")
	front6 = netip.MustParsePrefix("fd00:1::/64")
	back4  = netip.MustParsePrefix("10.2.0.0/16")
	back6  = netip.MustParsePrefix("fd00:2::/64")
	vip4   = netip.MustParseAddr("10.1.0.100")
	vip6   = netip.MustParseAddr("fd00:1::64")
	// Clients come from these, all of them in the front network.
	sources4 = netip.MustParsePrefix("10.1.240.0/20")
	sources6 = netip.MustParsePrefix("fd00:1::f000/116")
)

// Hosts of the networks by number.
const (
	directorOffset = 1
	clientOffset   = 2
	realOffset     = 0x1001
	maxReal        = 0xd000
)

func pick(six bool, a4, a6 netip.Addr) netip.Addr {
	if six {
		return a6
	}
	return a4
}

// nth returns the address n after a.
func nth(a netip.Addr, n int) netip.Addr {
	sum := new(big.Int).SetBytes(a.AsSlice())
	sum.Add(sum, big.NewInt(int64(n)))
	next, _ := netip.AddrFromSlice(sum.FillBytes(make([]byte, a.BitLen()/8)))
	return next
}

// host returns the addresses of host n in networks.
func host(n int, networks ...netip.Prefix) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range networks {
		all = append(all, netip.PrefixFrom(nth(p.Addr(), n), p.Bits()))
	}
	return all
}
