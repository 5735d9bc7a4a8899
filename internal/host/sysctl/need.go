package sysctl

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Need is a setting that services need. It is comparable.
type Need struct {
	Name  string // net.ipv4.vs.expire_nodest_conn
	Value string // the value to set
	// Unless lists the wrong values, with blanks between them. If it is set,
	// every other value is good.
	Unless string
	// Reason is the consequence of a wrong value, as a part of a sentence.
	Reason string
}

// Command returns the line that meets the need, to be typed by root.
func (n Need) Command() string { return Command(n.Name, n.Value) }

// met reports whether the value have will do.
func (n Need) met(have string) bool {
	if n.Unless != "" {
		return !slices.Contains(strings.Fields(n.Unless), have)
	}
	return have == n.Value
}

// Options are the facts beside the services that needs depend on.
type Options struct {
	// Quiescent reports whether real servers of a service that are down keep
	// their place with weight 0. Nil means that those of no service do.
	Quiescent func(dataplane.ServiceID) bool
	// Where returns the link by which packets for an address leave, or the
	// link that has the address, which is local then. The link is "" if it is
	// not known. Nil means that no link is known.
	Where func(netip.Addr) (link string, local bool)
}

// Needs returns the settings that the services need when IPVS forwards them, each
// setting once. The caller includes every real server of a service, up or not, and
// the fallback.
//
// Strict reverse path filtering (rp_filter) is no obstacle on a director, so
// it is not among them; only real servers behind a tunnel need it loose.
func Needs(services []dataplane.VirtualService, opt Options) []Need {
	if opt.Quiescent == nil {
		opt.Quiescent = func(dataplane.ServiceID) bool { return false }
	}
	if opt.Where == nil {
		opt.Where = func(netip.Addr) (string, bool) { return "", false }
	}
	var all []Need
	for i := range services {
		for _, n := range opt.needs(&services[i]) {
			i := slices.IndexFunc(all, func(o Need) bool { return o.Name == n.Name })
			if i < 0 {
				all = append(all, n)
			} else if n == connReuseOneWay { // it includes the need for masq
				all[i] = n
			}
		}
	}
	return all
}

func (o *Options) needs(v *dataplane.VirtualService) []Need {
	all := []Need{reuse(v)}
	switch quiescent := o.Quiescent(v.ID); {
	case !quiescent:
		all = append(all, expireNodest)
	case v.Persistent > 0:
		all = append(all, expireTemplate)
	}
	if v.Persistent > 0 && v.ExpireQuiescent {
		all = append(all, expireTemplate)
	}
	for _, r := range v.RealServers {
		all = append(all, o.forwarding(v, r)...)
		all = append(all, o.answers(v, r)...)
	}
	return all
}

var (
	connReuse = Need{
		Name: "net.ipv4.vs.conn_reuse_mode", Value: "1", Unless: "0",
		Reason: "a client that uses its port again is sent to its former real server, also when that is down",
	}
	// The kernel does not see the answers of a gate or ipip real server. A
	// connection that has ended remains in FIN_WAIT, for which 1 does nothing.
	connReuseOneWay = Need{
		Name: "net.ipv4.vs.conn_reuse_mode", Value: "3", Unless: "0 1",
		Reason: "a client that uses its port again is sent to its former gate or ipip real server, also when that is down",
	}
	expireNodest = Need{
		Name: "net.ipv4.vs.expire_nodest_conn", Value: "1",
		Reason: "clients of a real server that was removed wait in silence instead of being told",
	}
	expireTemplate = Need{
		Name: "net.ipv4.vs.expire_quiescent_template", Value: "1",
		Reason: "persistent clients stay on a real server that takes no new connections",
	}
	forward4 = Need{
		Name: "net.ipv4.ip_forward", Value: "1",
		Reason: "masq forwards nothing to IPv4 real servers",
	}
	forward6 = Need{
		Name: "net.ipv6.conf.all.forwarding", Value: "1",
		Reason: "masq forwards nothing to IPv6 real servers",
	}
)

// reuse returns the setting for clients that use a port again.
func reuse(v *dataplane.VirtualService) Need {
	oneWay := func(r dataplane.RealServer) bool { return r.Forward != dataplane.Masq && r.Addr.IsValid() }
	if v.ID.Protocol != dataplane.UDP && slices.ContainsFunc(v.RealServers, oneWay) {
		return connReuseOneWay
	}
	return connReuse
}

// forwarding returns the settings that one real server needs. Packets for the
// director itself, such as those for the sorry server, are not forwarded.
func (o *Options) forwarding(v *dataplane.VirtualService, r dataplane.RealServer) []Need {
	addr := r.Addr.Addr()
	if r.Forward != dataplane.Masq || r.Sorry || !addr.IsValid() {
		return nil
	}
	link, local := o.Where(addr)
	switch {
	case local:
		return nil
	case addr.Is6():
		return []Need{forward6}
	}
	return append([]Need{forward4}, o.redirects(v, link)...)
}

// answers returns the settings with which the director accepts the answers of a
// real server from a VIP that both have, see checkpath. IPv6 has no such setting.
func (o *Options) answers(v *dataplane.VirtualService, r dataplane.RealServer) []Need {
	vip := v.ID.Addr.Addr()
	if !v.CheckByVIP || r.Forward == dataplane.Masq || r.Sorry || !vip.Is4() {
		return nil
	}
	link, local := o.Where(r.Addr.Addr())
	if _, own := o.Where(vip); link == "" || local || !own {
		return nil
	}
	return []Need{{
		Name: Link("ipv4", link, "accept_local"), Value: "1",
		Reason: "checks by the VIP (checkpath) get no answer, because real servers answer from an address of the director",
	}}
}

// redirects returns the settings that keep the director from sending redirects to
// real servers on link. The kernel uses the larger of two settings; IPv6 has none.
func (o *Options) redirects(v *dataplane.VirtualService, link string) []Need {
	vip := v.ID.Addr.Addr()
	if link == "" || !vip.IsValid() {
		return nil
	}
	if front, _ := o.Where(vip); front != link {
		return nil
	}
	const reason = "clients and masq real servers share a link: the director tells real servers to answer past it"
	return []Need{
		{Name: Link("ipv4", "all", "send_redirects"), Value: "0", Reason: reason},
		{Name: Link("ipv4", link, "send_redirects"), Value: "0", Reason: reason},
	}
}
