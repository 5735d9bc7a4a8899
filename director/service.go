package director

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/recent"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// A service is one virtual service: its configuration, its real servers and its
// state.
type service struct {
	conf    *config.Virtual
	servers []*server
	names   []string // of the checks of a server, see spec.NamesOf
	serviceHistory
}

// A serviceHistory is the state of a virtual service that a reload keeps.
type serviceHistory struct {
	// begun reports that the dataplane has been asked for the service; see
	// cluster.begin. provenAt is the time since which one of its real servers is known
	// to be usable.
	begun    bool
	provenAt time.Time
	// found is the service in the dataplane before it has begun, nil for none.
	found *dataplane.VirtualService
	// quorum is that of the usable real servers. opened reports that failopen keeps
	// servers in use in place of the fallback.
	quorum quorum
	opened bool
	// fallbackOn reports that the fallback answers, because too few real servers are
	// usable or an operator has ordered it.
	fallbackOn bool
	// fallbackOrder has the fallback answer whatever the real servers are, nil for none.
	fallbackOrder *order
	// unusable reports that the log has said that no real server is usable.
	unusable bool
	// announced reports that log and mail have said that the fallback answers.
	announced bool
	// command is the latest word given to fallbackcommand: start or stop.
	command string
	// asked is the service that was last to be applied, nil for none.
	asked *dataplane.VirtualService
	// served is the service that was last applied with success, inForce whether it
	// equals asked, applyErr why it does not.
	served   *dataplane.VirtualService
	inForce  bool
	applyErr error
	// warnings are about the service as a whole.
	warnings warnings
	// durations are those of all checks of its real servers.
	durations recent.Durations
}

func newService(v *config.Virtual) *service {
	sv := &service{conf: v, names: spec.NamesOf(v)}
	// The servers, and their checks, are together in memory.
	n, each := len(v.Reals), 1+len(v.Further())
	servers, checks := make([]server, n), make(checkList, n*each)
	sv.servers = make([]*server, n)
	for i := range servers {
		sv.servers[i] = &servers[i]
		servers[i].set(v, &v.Reals[i], checks[i*each:i*each:(i+1)*each])
	}
	return sv
}

// adopt makes real servers up that were found in the dataplane with a weight,
// until a check fails, as ldirectord does; with checktype=off, until the operator
// takes them out; with initstate=down not at all.
func (sv *service) adopt(found dataplane.VirtualService) {
	sv.found = &found
	if sv.conf.InitState == config.InitDown {
		return
	}
	weights := map[string]int{}
	for _, r := range found.RealServers {
		weights[r.Addr.String()] = r.Weight
	}
	for _, s := range sv.servers {
		if !s.health.Up && weights[s.addr.String()] > 0 {
			s.setHealth(true)
			s.cause = s.causeOr("found in the dataplane with weight above 0")
			sv.quorum.reached = true // as far as anybody knows
		}
	}
}

// settled reports whether the state of every real server is known.
func (sv *service) settled() bool {
	for _, s := range sv.servers {
		if !s.settled() {
			return false
		}
	}
	return true
}

func (sv *service) usable() bool {
	for _, s := range sv.servers {
		if s.usable() {
			return true
		}
	}
	return false
}

// setFallback notes whether the fallback has to answer, and reports that. It
// reports nothing before the first checks have ended: until then the fallback
// only bridges the start.
func (c *cluster) setFallback(now time.Time, sv *service, on bool) {
	sv.fallbackOn = on
	switch {
	case !on:
		c.reports.reportFallback(now, sv, false)
		c.reports.runFallbackCommand(sv, "stop")
	case sv.settled():
		c.reports.reportFallback(now, sv, true)
		c.reports.runFallbackCommand(sv, "start")
	}
}

// fallback returns the real server that answers while no other can, false if the
// service has none. With checktype=off neither real servers nor fallback are
// activated, as the manual of ldirectord says.
func (sv *service) fallback() (dataplane.RealServer, bool) {
	f := sv.conf.Fallback
	if f == nil || sv.conf.CheckType == config.CheckOff {
		return dataplane.RealServer{}, false
	}
	if f.Sorry {
		return dataplane.RealServer{Weight: 1, Sorry: true}, true
	}
	addr := sv.conf.ID.Mapped(f.Addr, f.Forward)
	return dataplane.RealServer{
		Addr: addr, Weight: 1, Forward: f.Forward, Tunnel: sv.conf.TunnelTo(f.Forward),
		Sorry: addr.Addr().IsLoopback() || sv.conf.ID.Catches(addr),
	}, true
}

// fallbackName returns the fallback for messages, "" for none.
func (sv *service) fallbackName() string {
	r, ok := sv.fallback()
	switch {
	case !ok:
		return ""
	case !r.Addr.IsValid():
		return "sorry"
	}
	return r.Addr.String()
}

// wanted returns the virtual service as the dataplane has to serve it now.
func (sv *service) wanted() dataplane.VirtualService {
	v := sv.conf
	w := dataplane.VirtualService{
		ID: v.ID, Scheduler: v.Scheduler, SchedFlags: v.SchedFlags, OnePacket: v.OnePacket,
		Persistent: v.Persistent, PersistentBits: v.PersistentBits, Options: v.Options,
		ClientLists: dataplane.ClientLists{
			TrustedProxies: v.TrustedProxies.Prefixes, Allow: v.Allow.Prefixes, Deny: v.Deny.Prefixes,
		},
	}
	rs, scale := newServerSet(len(sv.servers)+1), sv.scale()
	if v.Observe != config.ObserveConnect {
		w.ErrorLimit = 0
	}
	w.CheckByVIP = v.CheckPath == config.CheckPathVIP
	held := sv.held()
	for _, s := range sv.servers {
		if s.listed(v.Quiescent) {
			r := s.wanted(scale)
			if held {
				r.Weight = 0
			}
			rs.add(r)
		}
	}
	if f, ok := sv.fallback(); ok && sv.fallbackOn {
		rs.add(f)
	}
	w.RealServers = rs.list
	w.Cut = sv.cut(w.RealServers)
	return w
}

// A serverSet has no address twice. Of two entries with one address the entry with
// a weight wins.
type serverSet struct {
	list []dataplane.RealServer
	at   map[netip.AddrPort]int
}

func newServerSet(n int) *serverSet {
	return &serverSet{list: make([]dataplane.RealServer, 0, n), at: make(map[netip.AddrPort]int, n)}
}

func (ss *serverSet) add(r dataplane.RealServer) {
	i, twice := ss.at[r.Addr]
	switch {
	case !twice:
		ss.at[r.Addr] = len(ss.list)
		ss.list = append(ss.list, r)
	case ss.list[i].Weight == 0:
		ss.list[i] = r
	}
}

// cut returns the servers whose connections are to end because checks have found
// them down, sorted. A server that the service uses is none of them, also if
// another entry with its address is down.
func (sv *service) cut(wanted []dataplane.RealServer) []netip.AddrPort {
	if sv.conf.OnDown != "cut" {
		return nil
	}
	spared := map[netip.AddrPort]bool{}
	for _, r := range wanted {
		spared[r.Addr] = r.Weight > 0
	}
	for _, s := range sv.servers {
		spared[s.addr] = spared[s.addr] || s.inUse()
	}
	var cut []netip.AddrPort
	for _, s := range sv.servers {
		if s.foundDown() && !spared[s.addr] {
			cut = append(cut, s.addr)
		}
	}
	return sorted(cut)
}

func sorted(addrs []netip.AddrPort) []netip.AddrPort {
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return slices.Compact(addrs)
}

// all returns every server that could ever be cut.
func (sv *service) all() []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range sv.servers {
		all = append(all, s.addr)
	}
	return sorted(all)
}
