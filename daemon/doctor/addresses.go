package doctor

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/neighbor"
)

const (
	askPause = 5 * time.Millisecond // between two questions
	maxAsked = 100                  // real servers whose machines are looked for
)

// A claim is that another machine says on a link that it has an address.
type claim struct {
	addr  netip.Addr
	link  neighbor.Link
	mac   neighbor.MAC
	names []netip.Addr // of the machine, as far as this host knows them
}

// addresses says which addresses of services this host does not have, and which
// other machines answer for.
func addresses(ctx context.Context, s *Subject) (all []Finding) {
	here, err := neighbor.Here()
	if err != nil {
		return []Finding{unknown("addresses", err)}
	}
	vips := s.vips()
	claims, err := s.claims(ctx, here, slices.Collect(keys(vips)))
	if err != nil {
		all = append(all, unknown("whether other machines answer for virtual addresses", err))
	}
	for addr := range keys(vips) {
		v, theirs := vips[addr], claims[addr]
		standby := false
		for _, c := range theirs {
			f := s.claimed(v, c, here.Own(addr))
			standby = standby || f.Code == vipStandby
			all = append(all, f)
		}
		if !here.Own(addr) && !standby && !s.pending(v) {
			all = append(all, missing(v, here.Of(addr)))
		}
	}
	return all
}

// keys returns the keys of m in order.
func keys[T any](m map[netip.Addr]T) func(func(netip.Addr) bool) {
	addrs := make([]netip.Addr, 0, len(m))
	for a := range m {
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Values(addrs)
}

// vips returns the addresses of services that links have, each with the first
// service.
func (s *Subject) vips() map[netip.Addr]*config.Virtual {
	all := map[netip.Addr]*config.Virtual{}
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		a := v.ID.Addr.Addr()
		if v.ID.Protocol != dataplane.FWMark && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() && all[a] == nil {
			all[a] = v
		}
	}
	return all
}

// pending reports whether the address of v is missing because shunt does not run.
func (s *Subject) pending(v *config.Virtual) bool { return s.Process == 0 && v.Interface != "" }

func missing(v *config.Virtual, on []neighbor.Link) Finding {
	link := "LINK"
	if len(on) > 0 {
		link = on[0].Name
	}
	addr := v.ID.Addr.Addr()
	return found(vipMissing, v.Pos, "no link of this host has %s", addr).
		breaks("packets of clients do not come here, or are not taken in").
		mend("ip addr add %s/%d dev %s; or interface = %s in the file: shunt puts it there", addr, addr.BitLen(), link, link)
}

// claimed is about another machine that answers for the address of v, which this
// host has, too, if own is true.
func (s *Subject) claimed(v *config.Virtual, c claim, own bool) Finding {
	for i := range s.Conf.Virtuals {
		for _, r := range s.Conf.Virtuals[i].Reals {
			if !slices.Contains(c.names, r.Addr.Addr().Unmap()) {
				continue
			}
			f := found(vipElsewhere, r.Pos, "%s on %s is answered for by the real server %s, as %s", c.addr, c.link.Name, r.Addr.Addr(), c.mac).
				breaks("clients reach that machine past the director, whatever its weight and health")
			switch {
			case r.Forward == dataplane.Masq:
				return f.mendThere("ip addr del %s dev LINK: a masq real server does not have the address", c.addr)
			case c.addr.Is6():
				return f.mendThere("the address on lo alone; shunt realserver check --vip %s --forward %s", c.addr, r.Forward)
			}
			return f.mendThere("sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2   (shunt realserver check --vip %s --forward %s)", c.addr, r.Forward)
		}
	}
	who := "another machine"
	if i := slices.IndexFunc(c.names, func(a netip.Addr) bool { return a != c.addr }); i >= 0 {
		who = c.names[i].String()
	}
	if !own {
		return found(vipStandby, v.Pos, "%s is on %s (%s) now, and not here", c.addr, who, c.mac).breaks("nothing, if that is the other director")
	}
	return found(vipTwice, v.Pos, "%s on %s is answered for by %s, as %s, too", c.addr, c.link.Name, who, c.mac).
		breaks("clients reach one of the two by chance; if it is the other director, both think that they are active").
		mendThere("ip addr del %s dev LINK; of two directors only the active one has it (VRRP)", c.addr)
}

// claims asks on all links who else has addrs. With an error come those that were
// found before it.
func (s *Subject) claims(ctx context.Context, here *neighbor.Links, addrs []netip.Addr) (map[netip.Addr][]claim, error) {
	asked := map[int][]netip.Addr{}
	var on []neighbor.Link
	for _, a := range addrs {
		for _, l := range here.Of(a) {
			if asked[l.Index] == nil {
				on = append(on, l)
			}
			asked[l.Index] = append(asked[l.Index], a)
		}
	}
	var wg sync.WaitGroup
	found, errs := make([][]claim, len(on)), make([]error, len(on))
	for i, l := range on {
		wg.Go(func() { found[i], errs[i] = s.claimsOn(ctx, here, l, asked[l.Index]) })
	}
	wg.Wait()
	all := map[netip.Addr][]claim{}
	for _, c := range slices.Concat(found...) {
		all[c.addr] = append(all[c.addr], c)
	}
	return all, brief(errors.Join(errs...))
}

// claimsOn asks on one link. If somebody answers, it asks for real servers as well:
// by their answers it knows whose the first ones are.
func (s *Subject) claimsOn(ctx context.Context, here *neighbor.Links, l neighbor.Link, addrs []netip.Addr) (all []claim, err error) {
	answers, err := here.Ask(ctx, l, addrs, askPause)
	if len(answers) == 0 {
		return nil, err
	}
	var servers []netip.Addr
	for _, a := range s.servers() {
		if slices.ContainsFunc(here.Of(a), func(o neighbor.Link) bool { return o.Index == l.Index }) && len(servers) < maxAsked {
			servers = append(servers, a)
		}
	}
	theirs, serverErr := here.Ask(ctx, l, servers, askPause)
	names, nameErr := neighbor.Known()
	if names == nil {
		names = map[neighbor.MAC][]netip.Addr{}
	}
	for a, macs := range theirs {
		for _, mac := range macs {
			names[mac] = append(names[mac], a)
		}
	}
	for a := range keys(answers) {
		for _, mac := range answers[a] {
			all = append(all, claim{addr: a, link: l, mac: mac, names: names[mac]})
		}
	}
	return all, errors.Join(err, serverErr, nameErr)
}

// servers returns the addresses of all real servers, each once, in order.
func (s *Subject) servers() (addrs []netip.Addr) {
	for i := range s.Conf.Virtuals {
		for _, r := range s.Conf.Virtuals[i].Reals {
			addrs = append(addrs, r.Addr.Addr().Unmap())
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// brief writes joined errors in one line, each once.
func brief(err error) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	slices.Sort(lines)
	return errors.New(strings.Join(slices.Compact(lines), "; "))
}

// links says which links the configuration names and this host does not have.
func links(_ context.Context, s *Subject) (all []Finding) {
	said := map[string]bool{}
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		if v.Interface == "" || said[v.Interface] {
			continue
		}
		said[v.Interface] = true
		_, err := netlink.LinkByName(v.Interface)
		if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
			all = append(all, found(linkMissing, v.Origins["interface"].Pos, "there is no link %s", v.Interface).
				breaks("%s is on no link: shunt waits for %s", v.ID.Addr.Addr(), v.Interface).mend("ip -br link shows those that there are"))
		} else if err != nil {
			all = append(all, unknown("the link "+v.Interface, err))
		}
	}
	return all
}
