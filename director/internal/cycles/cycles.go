// Package cycles finds virtual services whose connections come back to them.
package cycles

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// A finder finds services whose connections come back to them: A has B as a
// real server or fallback, and B has A, over any number of steps.
type finder struct {
	conf     *config.Config
	connects func(*config.Virtual) bool
	services map[dataplane.ServiceID]int // by where they are
	own      map[netip.Addr]bool         // the addresses of services: this host has them
	state    []progress
	path     []int // of services, to the one that is visited
	found    config.Problems
}

// A progress is the state of the search for a service.
type progress uint8

const (
	unseen progress = iota
	onPath
	done
)

// Find returns an error for each cycle with a service whose dataplane makes
// connections: these would run in the cycle for ever. The kernel delivers packets
// for an address of this host, so that they end there.
func Find(conf *config.Config, connects func(*config.Virtual) bool) config.Problems {
	c := &finder{
		conf: conf, connects: connects, state: make([]progress, len(conf.Virtuals)),
		services: map[dataplane.ServiceID]int{}, own: map[netip.Addr]bool{},
	}
	for i := range conf.Virtuals {
		id := conf.Virtuals[i].ID
		if id.Protocol != dataplane.FWMark {
			c.services[canonical(id.Protocol, id.Addr)] = i
			c.own[id.Addr.Addr().Unmap()] = true
		}
	}
	for i := range conf.Virtuals {
		c.visit(i)
	}
	return c.found
}

// canonical returns the key of a service in finder.services.
func canonical(p dataplane.Protocol, a netip.AddrPort) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: p, Addr: netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}
}

// at returns the service that gets packets of this host for a.
func (c *finder) at(p dataplane.Protocol, a netip.AddrPort) (int, bool) {
	if i, ok := c.services[canonical(p, a)]; ok {
		return i, true
	}
	addr, all := a.Addr().Unmap(), netip.IPv4Unspecified()
	if addr.Is6() {
		all = netip.IPv6Unspecified()
	}
	if !addr.IsLoopback() && !addr.IsUnspecified() && !c.own[addr] {
		return 0, false
	}
	i, ok := c.services[canonical(p, netip.AddrPortFrom(all, a.Port()))]
	return i, ok
}

func (c *finder) visit(i int) {
	if c.state[i] != unseen {
		return
	}
	c.state[i] = onPath
	c.path = append(c.path, i)
	v := &c.conf.Virtuals[i]
	for _, r := range v.Reals {
		c.follow(i, v.ID.Mapped(r.Addr, r.Forward), r.Pos)
	}
	if f := v.Fallback; f != nil && !f.Sorry {
		c.follow(i, v.ID.Mapped(f.Addr, f.Forward), f.Pos)
	}
	c.path = c.path[:len(c.path)-1]
	c.state[i] = done
}

// follow visits the service at the address of a real server or fallback of service
// i. A service that is its own real server is left to the limits of its dataplane.
func (c *finder) follow(i int, to netip.AddrPort, pos config.Pos) {
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

// close adds the problem that the line at pos closes a cycle, from service first to
// the end of the path.
func (c *finder) close(first int, to netip.AddrPort, pos config.Pos) {
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
		Text: fmt.Sprintf("virtual service %s: %s is the virtual service of %s: connections would run in a circle: %s -> %s",
			last, to, c.conf.Virtuals[first].Pos.From(pos.File), strings.Join(names, " -> "), names[0]),
		Hint: "name a server that is none of these services",
	})
}
