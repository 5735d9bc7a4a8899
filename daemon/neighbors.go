package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/host/neighbor"
)

const (
	askPeriod = time.Minute
	askFirst  = 5 * time.Second       // after the start: checks have found the real servers
	askPause  = 50 * time.Millisecond // between two questions
)

// A neighborWatch asks the links of this host who else answers for the addresses of
// services with checkpath=vip: packets of clients go to such a machine, past the
// director. It has a goroutine of its own.
type neighborWatch struct {
	log *slog.Logger
	// conf returns the configuration in force, and def is the default dataplane.
	conf func() *config.Config
	def  string
	tell func(context.Context, []director.Warning) error

	failure string // the latest one
}

// run asks every minute until ctx is done.
func (n *neighborWatch) run(ctx context.Context) {
	next := time.NewTimer(askFirst)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case began := <-next.C:
			n.look(ctx)
			next.Reset(time.Until(began.Add(askPeriod)))
		}
	}
}

// look asks once, and tells what is wrong. Why it cannot ask is logged once.
func (n *neighborWatch) look(ctx context.Context) {
	var found []director.Warning
	var err error
	if services := n.services(); len(services) > 0 {
		found, err = answeredFor(ctx, services)
	}
	if ctx.Err() != nil {
		return
	}
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	if failure != "" && failure != n.failure {
		n.log.Warn("nobody watches whether other machines answer for virtual addresses", "err", err)
	}
	n.failure = failure
	if err := n.tell(ctx, found); err != nil && !errors.Is(err, director.ErrStopped) && ctx.Err() == nil {
		n.log.Warn("warnings about real servers are not up to date", "err", err)
	}
}

// services are those whose real servers have the virtual address, too.
func (n *neighborWatch) services() []*config.Virtual {
	conf := n.conf()
	if conf == nil {
		return nil
	}
	var all []*config.Virtual
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if v.CheckPath == config.CheckPathVIP && v.ID.Protocol != dataplane.FWMark && dataplaneOf(v, n.def).inKernel && slices.ContainsFunc(v.Reals, hasVIP) {
			all = append(all, v)
		}
	}
	return all
}

func hasVIP(r config.Real) bool { return r.Forward != dataplane.Masq }

// An answer is that a machine says on a link that it has an address.
type answer struct {
	addr netip.Addr
	link string
	mac  neighbor.MAC
	// names are the addresses by which this host knows the machine, and own is
	// whether it has addr itself.
	names []netip.Addr
	own   bool
}

// answeredFor asks who answers for the addresses of services. With an error come
// those that were found before it.
func answeredFor(ctx context.Context, services []*config.Virtual) ([]director.Warning, error) {
	here, err := neighbor.Here()
	if err != nil {
		return nil, err
	}
	answers, err := answersOn(ctx, here, addressesOf(services))
	var found []director.Warning
	for _, v := range services {
		for _, a := range answers {
			if a.addr == v.ID.Addr.Addr() {
				found = append(found, a.about(v)...)
			}
		}
	}
	return found, err
}

func addressesOf(services []*config.Virtual) []netip.Addr {
	var addrs []netip.Addr
	for _, v := range services {
		addrs = append(addrs, v.ID.Addr.Addr())
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// answersOn asks one link after the other.
func answersOn(ctx context.Context, here *neighbor.Links, addrs []netip.Addr) ([]answer, error) {
	var links []neighbor.Link
	asked := map[int][]netip.Addr{}
	for _, a := range addrs {
		for _, l := range here.Of(a) {
			if asked[l.Index] == nil {
				links = append(links, l)
			}
			asked[l.Index] = append(asked[l.Index], a)
		}
	}
	var all []answer
	var errs []error
	for _, l := range links {
		found, err := here.Ask(ctx, l, asked[l.Index], askPause)
		errs = append(errs, err)
		for _, a := range asked[l.Index] {
			for _, mac := range found[a] {
				all = append(all, answer{addr: a, link: l.Name, mac: mac, own: here.Own(a)})
			}
		}
	}
	known, err := neighbor.Known()
	for i := range all {
		all[i].names = known[all[i].mac]
	}
	return all, errors.Join(append(errs, err)...)
}

// about returns what an answer says about a service: that one of its real servers
// takes packets away, or another machine. Where this host does not have the address,
// another director may.
func (a answer) about(v *config.Virtual) []director.Warning {
	var found []director.Warning
	for _, r := range v.Reals {
		if hasVIP(r) && slices.Contains(a.names, r.Addr.Addr().Unmap()) {
			found = append(found, director.Warning{Service: v.ID, Server: r.Addr, Text: a.text("it") + a.remedy(r.Forward)})
		}
	}
	if len(found) > 0 || !a.own {
		return found
	}
	who := "another machine"
	if i := slices.IndexFunc(a.names, func(name netip.Addr) bool { return name != a.addr }); i >= 0 {
		who += ", " + a.names[i].String() + ","
	}
	return []director.Warning{{Service: v.ID, Text: a.text(who)}}
}

func (a answer) text(who string) string {
	protocol := "ARP"
	if a.addr.Is6() {
		protocol = "neighbour solicitations"
	}
	return fmt.Sprintf("%s answers %s for %s on %s, as %s: packets of clients go there, past the director", who, protocol, a.addr, a.link, a.mac)
}

// remedy is what to type on a real server.
func (a answer) remedy(f dataplane.Forward) string {
	line := "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and the address on lo"
	if a.addr.Is6() {
		line = "the address on lo alone"
	}
	return fmt.Sprintf("; on it: %s; shunt realserver check --vip %s --forward %s names what is missing", line, a.addr, f)
}
