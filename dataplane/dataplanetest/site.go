package dataplanetest

import (
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

// gone is the weight of a real server that is not configured.
const gone = -1

// A site is a virtual service and its real servers, which are called a, b, c
// and so on in the order of the configuration and all run, configured or not.
type site struct {
	*stage
	vip  netip.AddrPort
	want dataplane.VirtualService
	all  []dataplane.RealServer
	tcp  []*server // with a TCP service, as all
}

// tcpSite makes a TCP service with one real server per weight. It is not
// applied yet.
func (s *stage) tcpSite(scheduler string, weights ...int) *site {
	s.Helper()
	p := s.newSite(dataplane.TCP, scheduler)
	for i := range weights {
		srv := s.serveTCP(i, p.vip.Port())
		p.tcp = append(p.tcp, srv)
		p.all = append(p.all, dataplane.RealServer{Addr: srv.addr, Forward: s.lab.Forward})
	}
	p.configure(weights...)
	return p
}

// udpSite is tcpSite for UDP.
func (s *stage) udpSite(scheduler string, weights ...int) *site {
	s.Helper()
	p := s.newSite(dataplane.UDP, scheduler)
	for i := range weights {
		addr := s.serveUDP(i, p.vip.Port())
		p.all = append(p.all, dataplane.RealServer{Addr: addr, Forward: s.lab.Forward})
	}
	p.configure(weights...)
	return p
}

func (s *stage) newSite(proto dataplane.Protocol, scheduler string) *site {
	s.Helper()
	addr := s.lab.vip(s.six)
	p := &site{stage: s, vip: netip.AddrPortFrom(addr, s.freePort(addr))}
	p.want.ID = dataplane.ServiceID{Protocol: proto, Addr: p.vip}
	p.want.Scheduler = scheduler
	return p
}

// configure gives the real servers weights, without applying.
func (p *site) configure(weights ...int) {
	p.want.RealServers = nil
	for i, w := range weights {
		if w != gone {
			r := p.all[i]
			r.Weight = w
			p.want.RealServers = append(p.want.RealServers, r)
		}
	}
}

// apply applies the service.
func (p *site) apply() {
	p.Helper()
	p.check("Apply "+p.want.ID.String(), p.dp.Apply(p.Context(), p.want))
}

// weigh gives the real servers weights and applies.
func (p *site) weigh(weights ...int) {
	p.Helper()
	p.configure(weights...)
	p.apply()
}

// own returns what the dataplane says about the site.
func (p *site) own() dataplane.ServiceStatus {
	p.Helper()
	return p.status(p.want.ID)
}

// server returns what the dataplane says about the site's i-th real server.
// It is the zero value where that is not there.
func (p *site) server(i int) dataplane.ServerStatus {
	p.Helper()
	for _, s := range p.own().Servers {
		if s.Addr == p.all[i].Addr {
			return s
		}
	}
	return dataplane.ServerStatus{}
}

// idle waits until the dataplane has noticed that connections have ended.
func (p *site) idle() {
	p.Helper()
	p.until("no real server has active connections once all have ended", func() bool {
		var active int
		for _, s := range p.own().Servers {
			active += s.Active
		}
		return active == 0
	})
}

// sequence connects n times, one after the other, and returns which real
// servers answered: "aab".
func (p *site) sequence(client, n int) string {
	p.Helper()
	var b strings.Builder
	for range n {
		c := p.connect(client)
		b.WriteString(c.server)
		c.close()
	}
	return b.String()
}

// takes checks which real servers the next connections go to.
func (p *site) takes(when string, client int, want string) {
	p.Helper()
	if got := p.sequence(client, len(want)); got != want {
		p.Errorf("%s: connections went to %s, want %s", when, got, want)
	}
}

// refuses checks that new connections are refused, not left waiting and not
// closed as if they had been served.
func (p *site) refuses(when string) {
	p.Helper()
	c, err := p.reach(0, p.vip)
	switch {
	case err == nil:
		p.Errorf("%s: a connection was taken by %s, want it refused", when, c.server)
		c.close()
	case !refused(err):
		p.Errorf("%s: %v, want the connection refused or reset", when, err)
	}
}
