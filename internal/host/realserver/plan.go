package realserver

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// A plan is a list of different steps.
type plan []Step

func (p *plan) add(s Step) {
	if !slices.Contains(*p, s) {
		*p = append(*p, s)
	}
}

// missing returns the steps from have to the state that o describes. ARP is
// silenced before a VIP is added.
func missing(o *Options, have *state) []Step {
	var p plan
	for _, v := range o.VIPs {
		p.links(o, have, v)
		p.port(o, have, v)
		for _, s := range o.settings(v) {
			p.setting(s, have)
		}
	}
	for _, v := range o.VIPs {
		p.address(o, have, v)
		p.elsewhere(o, have, v)
	}
	return p
}

// links adds the steps that make the link of v and bring it up.
func (p *plan) links(o *Options, have *state, v netip.Addr) {
	name := o.link(v)
	l, ok := have.links[name]
	if !ok {
		p.add(Step{do: addLink, link: name, What: "there is no link " + name})
	}
	if !l.up {
		p.add(Step{do: linkUp, link: name, What: name + " is down"})
	}
}

// port adds the steps that make the kernel accept GUE for v.
func (p *plan) port(o *Options, have *state, v netip.Addr) {
	g, ok := o.gue(v)
	if !ok || slices.Contains(have.gue, g) {
		return
	}
	if !have.fou {
		p.add(Step{do: addModule, name: fouModule, What: "the kernel does not take GUE yet"})
	}
	family := "IPv4"
	if g.IPv6 {
		family = "IPv6"
	}
	p.add(Step{do: addPort, gue: g, What: fmt.Sprintf("GUE is not taken on port %d of %s", g.Port, family)})
}

func (p *plan) setting(s setting, have *state) {
	name := s.name()
	if value := have.settings[name]; !slices.Contains(s.good, value) {
		p.add(Step{do: set, name: name, value: s.good[0], What: fmt.Sprintf("%s is %s in effect: %s", name, value, s.why)})
	}
}

// address adds the steps that put v on its link, without a network: the whole
// network of an IPv4 address on lo would belong to this machine.
func (p *plan) address(o *Options, have *state, v netip.Addr) {
	name, bare := o.link(v), netip.PrefixFrom(v, v.BitLen())
	var there bool
	var wrong []netip.Prefix
	for _, a := range have.links[name].addrs {
		switch {
		case a.Addr() != v:
		case v.Is4() && a != bare:
			wrong = append(wrong, a)
		default:
			there = true
		}
	}
	if !there {
		p.add(Step{do: addAddr, link: name, prefix: bare, What: fmt.Sprintf("%v is not on %s", v, name)})
	}
	for _, a := range wrong {
		p.add(Step{do: delAddr, link: name, prefix: a, What: fmt.Sprintf("%v on %s claims a whole network", a, name)})
	}
}

// elsewhere adds a step by hand for each link with v that answers ARP for it
// whatever the settings.
func (p *plan) elsewhere(o *Options, have *state, v netip.Addr) {
	for _, name := range slices.Sorted(maps.Keys(have.links)) {
		l := have.links[name]
		if name == o.link(v) || !l.arp {
			continue
		}
		for _, a := range l.addrs {
			if a.Addr() == v {
				p.add(Step{do: byHand, link: name, prefix: a, What: fmt.Sprintf("%v is on %s, which answers for it: either this machine is the director, or it has to go", v, name)})
			}
		}
	}
}

// leftover returns the steps that take back the state that o describes. Changed
// settings get their earlier values, and a tunnel link goes down, but only if no
// other VIP is left that needs them.
func leftover(o *Options, have *state, before map[string]string) []Step {
	var p plan
	for _, v := range o.VIPs {
		for _, a := range have.links[o.link(v)].addrs {
			if a.Addr() == v {
				p.add(Step{do: delAddr, link: o.link(v), prefix: a, What: fmt.Sprintf("%v is on %s", v, o.link(v))})
			}
		}
	}
	for _, v := range o.VIPs {
		l := o.link(v)
		if tunnelModules[l] == (tunnelModule{}) || slices.ContainsFunc(have.links[l].addrs, o.foreign) {
			continue
		}
		if g, ok := o.gue(v); ok && slices.Contains(have.gue, g) {
			p.add(Step{do: delPort, gue: g, What: fmt.Sprintf("GUE is taken on port %d", g.Port)})
		}
		if have.links[l].up {
			p.add(Step{do: linkDown, link: l, What: l + " is up"})
		}
	}
	for _, l := range []string{"lo", tunnel4, gre4, o.Link} {
		if slices.ContainsFunc(have.links[l].addrs, func(a netip.Prefix) bool { return a.Addr().Is4() && a.IsSingleIP() && o.foreign(a) }) {
			return p
		}
	}
	for _, v := range o.VIPs {
		for _, s := range o.settings(v) {
			name := s.name()
			if old, changed := before[name]; changed {
				p.add(Step{do: reset, name: name, value: old, What: fmt.Sprintf("%s is %s and was %s", name, have.settings[name], old)})
			}
		}
	}
	return p
}

// foreign reports whether an address is neither a VIP of o nor an address that the
// kernel assigns by itself.
func (o *Options) foreign(a netip.Prefix) bool {
	own := a.Addr().IsLoopback() || a.Addr().IsLinkLocalUnicast()
	return !own && !slices.Contains(o.VIPs, a.Addr())
}
