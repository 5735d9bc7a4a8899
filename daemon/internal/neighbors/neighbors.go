// Package neighbors finds machines that answer for the addresses of services, past
// the director.
package neighbors

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

// A Watch asks the links of this host who else answers for the addresses of
// services with checkpath=vip: packets of clients go to such a machine, past the
// director. It is for one goroutine.
type Watch struct {
	Log *slog.Logger
	// Conf returns the configuration in force, nil for none.
	Conf func() *config.Config
	// InKernel reports whether the kernel forwards a service.
	InKernel func(*config.Virtual) bool
	// Tell gets all warnings after each look.
	Tell func(context.Context, []director.Warning) error

	failure string // the latest one
	found   []director.Warning
}

// Run asks every minute until ctx is done.
func (n *Watch) Run(ctx context.Context) {
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
func (n *Watch) look(ctx context.Context) {
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
		n.Log.Warn("nobody watches whether other machines answer for virtual addresses", "err", err)
	}
	if err != nil { // about what was not looked at nothing new is known
		for _, w := range n.found {
			if !slices.Contains(found, w) {
				found = append(found, w)
			}
		}
	}
	n.failure, n.found = failure, found
	if err := n.Tell(ctx, found); err != nil && !errors.Is(err, director.ErrStopped) && ctx.Err() == nil {
		n.Log.Warn("warnings about real servers are not up to date", "err", err)
	}
}

// services are those whose real servers have the virtual address, too.
func (n *Watch) services() []*config.Virtual {
	conf := n.Conf()
	if conf == nil {
		return nil
	}
	var all []*config.Virtual
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if v.CheckPath == config.CheckPathVIP && v.ID.Protocol != dataplane.FWMark && n.InKernel(v) && slices.ContainsFunc(v.Reals, hasVIP) {
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
	byAddr := map[netip.Addr][]answer{}
	for _, a := range answers {
		byAddr[a.addr] = append(byAddr[a.addr], a)
	}
	var found []director.Warning
	for _, v := range services {
		found = append(found, about(v, byAddr[v.ID.Addr.Addr()])...)
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
	if err != nil {
		return nil, errors.Join(append(errs, err)...) // whose answers they are is not known
	}
	for i := range all {
		all[i].names = known[all[i].mac]
	}
	return all, errors.Join(errs...)
}

// maxStrangers is how many machines that are no real servers are named one by one.
const maxStrangers = 2

// about returns what the answers for its address say about a service: that its real
// servers take packets away, or other machines. Where this host does not have the
// address, another director may. Machines that nobody can count, such as one that
// answers with ever new MACs, are one warning.
func about(v *config.Virtual, answers []answer) (found []director.Warning) {
	var strangers []director.Warning
	for _, a := range answers {
		theirs := a.servers(v)
		found = append(found, theirs...)
		if len(theirs) == 0 && a.own {
			strangers = append(strangers, director.Warning{Service: v.ID, Text: a.text(a.stranger()) + ", as " + a.mac.String() + takenAway})
		}
	}
	if len(strangers) > maxStrangers {
		a := answers[0]
		return append(found, director.Warning{Service: v.ID, Text: a.text("several other machines") + takenAway})
	}
	return append(found, strangers...)
}

const takenAway = ": packets of clients go there, past the director"

// servers returns the warnings about real servers of v that the answer is of.
func (a answer) servers(v *config.Virtual) (found []director.Warning) {
	for _, r := range v.Reals {
		if hasVIP(r) && slices.Contains(a.names, r.Addr.Addr().Unmap()) {
			text := a.text("it") + ", as " + a.mac.String() + takenAway + a.remedy(r.Forward)
			found = append(found, director.Warning{Service: v.ID, Server: r.Addr, Text: text})
		}
	}
	return found
}

// stranger names a machine that is no real server.
func (a answer) stranger() string {
	if i := slices.IndexFunc(a.names, func(name netip.Addr) bool { return name != a.addr }); i >= 0 {
		return "another machine, " + a.names[i].String() + ","
	}
	return "another machine"
}

func (a answer) text(who string) string {
	protocol := "ARP"
	if a.addr.Is6() {
		protocol = "neighbour discovery"
	}
	return fmt.Sprintf("%s claims %s on %s by %s", who, a.addr, a.link, protocol)
}

// remedy is what to type on a real server.
func (a answer) remedy(f dataplane.Forward) string {
	line := "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and the address on lo"
	if a.addr.Is6() {
		line = "the address on lo alone"
	}
	return fmt.Sprintf("; on it: %s; shunt realserver check --vip %s --forward %s names what is missing", line, a.addr, f)
}
