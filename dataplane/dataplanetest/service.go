package dataplanetest

import (
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
)

// absent is the weight of a real server that is not configured.
const absent = -1

// A service is a virtual service and its real servers, which are called a, b, c
// and so on in the order of the configuration and all run, configured or not.
type service struct {
	*fixture
	vip  netip.AddrPort
	want dataplane.VirtualService
	all  []dataplane.RealServer
	tcp  []*server // with a TCP service, as all
}

// tcpService makes a TCP service with one real server per weight. It is not
// applied yet.
func (s *fixture) tcpService(scheduler string, weights ...int) *service {
	s.Helper()
	p := s.newService(dataplane.TCP, scheduler)
	for i := range weights {
		srv := s.serveTCP(i, p.vip.Port())
		p.tcp = append(p.tcp, srv)
		p.all = append(p.all, dataplane.RealServer{Addr: srv.addr, Forward: s.lab.Forward})
	}
	p.configure(weights...)
	return p
}

// udpService is tcpService for UDP.
func (s *fixture) udpService(scheduler string, weights ...int) *service {
	s.Helper()
	p := s.newService(dataplane.UDP, scheduler)
	for i := range weights {
		addr := s.serveUDP(i, p.vip.Port())
		p.all = append(p.all, dataplane.RealServer{Addr: addr, Forward: s.lab.Forward})
	}
	p.configure(weights...)
	return p
}

func (s *fixture) newService(proto dataplane.Protocol, scheduler string) *service {
	s.Helper()
	addr := s.lab.vip(s.six)
	p := &service{fixture: s, vip: netip.AddrPortFrom(addr, process.FreeAddr(s).Port())}
	p.want.ID = dataplane.ServiceID{Protocol: proto, Addr: p.vip}
	p.want.Scheduler = scheduler
	return p
}

// configure gives the real servers weights, without applying.
func (p *service) configure(weights ...int) {
	p.want.RealServers = nil
	for i, w := range weights {
		if w != absent {
			r := p.all[i]
			r.Weight = w
			p.want.RealServers = append(p.want.RealServers, r)
		}
	}
}

// apply applies the service.
func (p *service) apply() {
	p.Helper()
	p.check("Apply "+p.want.ID.String(), p.dp.Apply(p.Context(), p.want))
}

// weigh gives the real servers weights and applies.
func (p *service) weigh(weights ...int) {
	p.Helper()
	p.configure(weights...)
	p.apply()
}

// own returns what the dataplane says about the service.
func (p *service) own() dataplane.ServiceStatus {
	p.Helper()
	return p.status(p.want.ID)
}

// server returns what the dataplane says about the service's i-th real server.
// It is the zero value where that is not there.
func (p *service) server(i int) dataplane.ServerStatus {
	p.Helper()
	for _, s := range p.own().Servers {
		if s.Addr == p.all[i].Addr {
			return s
		}
	}
	return dataplane.ServerStatus{}
}

// idle waits until the dataplane has noticed that connections have ended.
func (p *service) idle() {
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
func (p *service) sequence(client, n int) string {
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
func (p *service) takes(when string, client int, want string) {
	p.Helper()
	if got := p.sequence(client, len(want)); got != want {
		p.Errorf("%s: connections went to %s, want %s", when, got, want)
	}
}

// refuses checks that new connections are refused, not left waiting and not
// closed as if they had been served.
func (p *service) refuses(when string) {
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
