package director

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// A circle finds services whose connections come back to them: A has a real
// server or a fallback that is B, and B one that is A, over any number of
// steps.
type circle struct {
	conf     *config.Config
	connects func(*config.Virtual) bool
	services map[dataplane.ServiceID]int // by where they are
	own      map[netip.Addr]bool         // the addresses of services: this host has them
	state    []progress
	path     []int // of services, those on the way to the one that is looked at
	found    config.Problems
}

// A progress is what is known about a service.
type progress uint8

const (
	unseen progress = iota
	onPath
	done
)

// circles returns an error for each circle in which there is a service that
// connects: its dataplane makes connections, so that they would run on and on.
// What the kernel forwards to an address of this host is delivered there.
func circles(conf *config.Config, connects func(*config.Virtual) bool) config.Problems {
	c := &circle{
		conf: conf, connects: connects, state: make([]progress, len(conf.Virtuals)),
		services: map[dataplane.ServiceID]int{}, own: map[netip.Addr]bool{},
	}
	for i := range conf.Virtuals {
		id := conf.Virtuals[i].ID
		if id.Protocol != dataplane.FWMark {
			c.services[place(id.Protocol, id.Addr)] = i
			c.own[id.Addr.Addr().Unmap()] = true
		}
	}
	for i := range conf.Virtuals {
		c.visit(i)
	}
	return c.found
}

func place(p dataplane.Protocol, a netip.AddrPort) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: p, Addr: netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}
}

// at returns the service that takes what this host sends to a.
func (c *circle) at(p dataplane.Protocol, a netip.AddrPort) (int, bool) {
	if i, ok := c.services[place(p, a)]; ok {
		return i, true
	}
	addr, all := a.Addr().Unmap(), netip.IPv4Unspecified()
	if addr.Is6() {
		all = netip.IPv6Unspecified()
	}
	if !addr.IsLoopback() && !addr.IsUnspecified() && !c.own[addr] {
		return 0, false
	}
	i, ok := c.services[place(p, netip.AddrPortFrom(all, a.Port()))]
	return i, ok
}

func (c *circle) visit(i int) {
	if c.state[i] != unseen {
		return
	}
	c.state[i] = onPath
	c.path = append(c.path, i)
	v := &c.conf.Virtuals[i]
	for _, r := range v.Reals {
		c.follow(i, mappedAddr(v, r.Addr, r.Forward), r.Pos)
	}
	if f := v.Fallback; f != nil && !f.Sorry {
		c.follow(i, mappedAddr(v, f.Addr, f.Forward), f.Pos)
	}
	c.path = c.path[:len(c.path)-1]
	c.state[i] = done
}

// follow goes on to the service at the address of a real server or fallback
// of service i. What the service itself says it catches is another matter: the
// dataplane says what it makes of that.
func (c *circle) follow(i int, to netip.AddrPort, pos config.Pos) {
	id := c.conf.Virtuals[i].ID
	next, ok := c.at(id.Protocol, to)
	switch {
	case !ok || id.Catches(to):
	case c.state[next] == onPath:
		c.close(next, to, pos)
	default:
		c.visit(next)
	}
}

// close reports the circle from service first to the end of the path, which
// the line at pos closes.
func (c *circle) close(first int, to netip.AddrPort, pos config.Pos) {
	var names []string
	begun, connects := false, false
	for _, i := range c.path {
		if begun = begun || i == first; begun {
			names = append(names, c.conf.Virtuals[i].ID.String())
			connects = connects || c.connects(&c.conf.Virtuals[i])
		}
	}
	if !connects {
		return
	}
	last := names[len(names)-1]
	c.found = append(c.found, config.Problem{
		Severity: config.Error, Pos: pos,
		Text: fmt.Sprintf("virtual service %s: %s is the virtual service of line %d: connections would run in a circle: %s -> %s",
			last, to, c.conf.Virtuals[first].Pos.Line, strings.Join(names, " -> "), names[0]),
		Hint: "name a server that is none of these services",
	})
}
