package returnpath

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// Table is the number of the table of routes, and the priority of the rules.
const Table = 5300

// An Answer is what one real server sends, to whomever. It is comparable.
type Answer struct {
	UDP  bool
	From netip.AddrPort
}

// String returns "tcp from 10.0.1.1:80".
func (a Answer) String() string { return a.protocol() + " from " + a.From.String() }

// Commands returns the lines that bring a back, to be typed by root.
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

func compare(a, b Answer) int {
	return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.number(), b.number()))
}

// Wanted returns the answers that the transparent services of c need back, each
// once, in order; usual is the dataplane of services that name none. Those that
// IPVS forwards need nothing.
func Wanted(c *config.Config, usual string) []Answer {
	var all []Answer
	for i := range c.Virtuals {
		v := &c.Virtuals[i]
		if !v.Transparent || cmp.Or(v.Dataplane, usual) != "proxy" {
			continue
		}
		for _, r := range director.Everything(v).RealServers {
			if a := r.Addr.Addr(); a.IsValid() && r.Addr.Port() != 0 {
				from := netip.AddrPortFrom(a.Unmap().WithZone(""), r.Addr.Port())
				all = append(all, Answer{UDP: v.ID.Protocol == dataplane.UDP, From: from})
			}
		}
	}
	slices.SortFunc(all, compare)
	return slices.Compact(all)
}
