package returnpath

import (
	"cmp"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Table is the number of the table of routes, and the priority of the rules.
const Table = 5300

// An Answer describes the packets that one real server sends. It is comparable.
type Answer struct {
	UDP  bool
	From netip.AddrPort
}

// String returns "tcp from 10.0.1.1:80".
func (a Answer) String() string { return a.protocol() + " from " + a.From.String() }

// Commands returns the lines that make a end on this host, to be typed by root.
func (a Answer) Commands() []string {
	ip, all := "ip", "0.0.0.0/0"
	if a.From.Addr().Is6() {
		ip, all = "ip -6", "::/0"
	}
	return []string{
		fmt.Sprintf("%s rule add pref %d from %s ipproto %s sport %d lookup %d", ip, Table, a.From.Addr(), a.protocol(), a.From.Port(), Table),
		fmt.Sprintf("%s route add local %s dev lo table %d", ip, all, Table),
	}
}

func (a Answer) protocol() string {
	if a.UDP {
		return "udp"
	}
	return "tcp"
}

func (a Answer) number() uint8 {
	if a.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func (a Answer) family() uint8 {
	if a.From.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// Compare orders answers by address, port and protocol.
func (a Answer) Compare(b Answer) int {
	return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.number(), b.number()))
}
