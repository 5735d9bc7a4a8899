package director

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/applier"
	"github.com/shunt-lb/shunt/director/internal/recent"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// Status returns everything the director knows at this moment, with the
// dataplane's counters. An unreadable dataplane is reported in it and is no
// error; an error means that the director did not answer.
func (d *Director) Status(ctx context.Context) (Status, error) {
	s, err := d.snapshot(ctx)
	if err != nil {
		return Status{}, err
	}
	s.Dataplane.Repairs = d.applier.Repairs()
	served, err := d.o.Dataplane.Snapshot(ctx)
	if err != nil {
		s.Dataplane.Error = err.Error()
		return s, nil
	}
	s.count(served)
	return s, nil
}

// History returns what the latest checks have found of the real servers that
// real names, an address or a host name, with a port or without, in the service
// that service names, as the status does; empty is all of them.
func (d *Director) History(ctx context.Context, service, real string) ([]ServerHistory, error) {
	found := []ServerHistory{} // JSON shows an empty list
	err := d.do(ctx, func() {
		for _, sv := range d.cluster.services {
			if service == "" || sv.named(service) {
				found = append(found, sv.histories(real)...)
			}
		}
	})
	return found, err
}

// named reports whether a service is meant by name: its protocol and address,
// its address alone, or its servicename.
func (sv *service) named(name string) bool {
	return name == sv.conf.ID.String() || name == bareName(sv.conf) || name == sv.conf.ServiceName
}

func (sv *service) histories(real string) (found []ServerHistory) {
	for _, s := range sv.servers {
		if real == "" || s.named(real) {
			found = append(found, ServerHistory{
				Service: sv.conf.ID.String(), Name: sv.conf.ServiceName, Server: s.conf.Addr.String(),
				State: s.state(), Since: s.since, Cause: s.cause, Checks: resultsOf(&s.recent, sv.names),
			})
		}
	}
	return found
}

// resultsOf returns what is kept. names are those of the checks, none where there is
// one alone.
func resultsOf(kept *recent.Results, names []string) []CheckResult {
	all := []CheckResult{} // JSON shows an empty list
	for _, c := range kept.All() {
		shown := CheckResult{Time: c.At, Duration: Seconds(c.Took), OK: c.Kind == "", Reason: c.Kind, Result: c.Words}
		if c.Of >= 0 && c.Of < len(names) {
			shown.Check = names[c.Of]
		}
		all = append(all, shown)
	}
	return all
}

func histogramOf(d *recent.Durations) Histogram {
	h := Histogram{Buckets: map[float64]uint64{}}
	h.Count, h.Sum = d.Each(func(bound time.Duration, count uint64) { h.Buckets[bound.Seconds()] = count })
	return h
}

// applyWait is how long Status waits for calls of the dataplane that are under
// way.
const applyWait = 500 * time.Millisecond

// snapshot copies the loop's state. If calls of the dataplane are under way, it
// waits for them for a short time.
func (d *Director) snapshot(ctx context.Context) (Status, error) {
	limit := time.NewTimer(applyWait)
	defer limit.Stop()
	for late := false; ; {
		// JSON shows empty lists as lists.
		s := Status{Dataplane: d.o.Forwarding, Services: []ServiceStatus{}}
		var underway bool
		var applies <-chan struct{}
		err := d.do(ctx, func() {
			d.fill(&s)
			underway, applies = d.cluster.underway(), d.applies
		})
		if err != nil || late || !underway {
			return s, err
		}
		select {
		case <-applies:
		case <-limit.C:
			late = true
		case <-ctx.Done():
			late = true
		}
	}
}

// fill copies the loop's state. It runs in the loop.
func (d *Director) fill(s *Status) {
	s.Started, s.Config = d.started, d.conf
	s.Stopping = d.cluster.reports.alerts.phase == config.AlertStopping
	s.Unready = d.cluster.unready()
	s.Ready = s.Unready == ""
	s.Unsaved = d.cluster.unsaved
	s.Transitions = append([]Transition{}, d.cluster.reports.history.recent...)
	for _, sv := range d.cluster.services {
		s.Services = append(s.Services, sv.status())
	}
}

func (sv *service) status() ServiceStatus {
	v := sv.conf
	st := ServiceStatus{
		ID: v.ID, Service: v.ID.String(), Name: v.ServiceName, Scheduler: v.Scheduler, Persistent: Seconds(v.Persistent),
		Check: spec.TitleOf(v), Fallback: sv.fallbackName(), Servers: make([]ServerStatus, 0, len(sv.servers)),
		Served: sv.inForce, Starting: !sv.begun, CheckDurations: histogramOf(&sv.durations),
	}
	if v.AnyTLS() {
		st.Verify = v.Verify
	}
	st.FallbackActive = sv.fallbackOn && st.Fallback != ""
	st.FailOpen = sv.opened
	if v.Observe == config.ObserveConnect {
		st.ErrorLimit = v.ErrorLimit
	}
	if sv.watched() {
		st.Quorum = &QuorumStatus{Quorum: v.Quorum, Hysteresis: v.Hysteresis, Weight: sv.quorum.weight, Reached: sv.quorum.reached}
	}
	st.Warnings = sv.warnings.told
	if o := sv.fallbackOrder; o != nil {
		st.Admin = new(o.Admin)
	}
	if sv.applyErr != nil {
		st.Error = sv.applyErr.Error()
	}
	scale, serving := sv.scale(), sv.serving()
	st.asked, st.scale = sv.asked, max(1, scale)
	if f, ok := sv.fallback(); ok {
		st.fallback = f.Addr
	}
	held := sv.held()
	for _, s := range sv.servers {
		one := s.status(scale, held || s.servedIn(serving))
		one.Checks = s.checksStatus(sv.names)
		if held {
			one.Current, one.SlowStart = 0, 0
		}
		st.Servers = append(st.Servers, one)
	}
	return st
}

func (s *server) status(scale int, serving bool) ServerStatus {
	last, seldom := s.checks.latest(), s.seldom()
	st := ServerStatus{
		Server: s.conf.Addr.String(), addr: s.addr, Forward: s.conf.Forward.String(),
		Weight: s.conf.Weight, Current: s.weight(), SlowStart: s.slowed(scale),
		Request: s.request.String(), Expires: s.checks.expires(),
		State: s.state(), Since: s.since, Cause: s.cause,
		Checked: last.At, Duration: Seconds(last.Duration),
		Fails: int(s.health.Fails), Rises: int(s.health.Rises), ChecksOK: s.good, ChecksBad: s.bad,
		Transitions: s.transitions, Hastened: seldom.hastened,
	}
	st.Warnings = seldom.warnings.of(len(s.checks) > 0 && s.checks[0].Path().Mark != 0)
	if seldom.order != nil {
		st.Admin = new(seldom.order.Admin)
	}
	if st.State == Kept {
		st.Kept = s.kept
	}
	if st.State.inUse() && !serving {
		st.State, st.Current, st.SlowStart = Pending, 0, 0
	}
	if s.tunnel != (dataplane.Tunnel{}) {
		st.Tunnel = s.tunnel.String()
	}
	if last.Err != nil {
		st.Result, st.Reason = last.Err.Error(), checks.KindOf(last.Err)
	}
	return st
}

// checksStatus returns how each check of a server stands, nothing without names.
func (s *server) checksStatus(names []string) []CheckStatus {
	if len(names) == 0 || len(s.checks) == 0 {
		return nil
	}
	all := make([]CheckStatus, len(names))
	for i, name := range names {
		k := &s.checks[i]
		all[i] = CheckStatus{
			Check: name, OK: k.health.Up && !k.last.At.IsZero(), Checked: k.last.At, Duration: Seconds(k.last.Duration),
			Reason: checks.KindOf(k.last.Err), Fails: int(k.health.Fails), Rises: int(k.health.Rises), Silent: k.silent(), Request: k.request.String(),
		}
		if k.last.Err != nil {
			all[i].Result = strings.TrimPrefix(k.last.Err.Error(), name+": ") // which observe puts there
		}
	}
	return all
}

// count adds the counters and weights of the dataplane to the status.
func (s *Status) count(served []dataplane.ServiceStatus) {
	byID := map[dataplane.ServiceID]dataplane.ServiceStatus{}
	for _, sv := range served {
		byID[sv.Service.ID] = sv
	}
	for i := range s.Services {
		sv := &s.Services[i]
		have := byID[sv.ID]
		sv.Counters, sv.Waiting, sv.Full, sv.Changed = have.Counters, have.Waiting, have.Full, have.Changes
		at := make(map[netip.AddrPort]*ServerStatus, len(sv.Servers))
		for i := range slices.Backward(sv.Servers) { // of two at one address the first
			at[sv.Servers[i].addr] = &sv.Servers[i]
		}
		sv.countServers(at, have)
		sv.setWeights(at, have)
		if len(sv.Changed) > 0 {
			s.changed(sv)
		}
	}
}

// changed marks sv as not served as wanted.
func (s *Status) changed(sv *ServiceStatus) {
	sv.Served = false
	if s.Ready {
		s.Ready, s.Unready = false, "not served as wanted: "+sv.Service+" was changed by somebody else: "+applier.Join(sv.Changed)
	}
}

// countServers adds the counters of real servers and the fallback. Other servers
// are somebody else's.
func (sv *ServiceStatus) countServers(at map[netip.AddrPort]*ServerStatus, have dataplane.ServiceStatus) {
	for _, list := range [][]dataplane.ServerStatus{have.Servers, have.Left} {
		for i := range list {
			h := &list[i]
			if s := at[h.Addr]; s != nil {
				s.Active, s.Inactive, s.Persistent, s.Counters = h.Active, h.Inactive, h.Persistent, h.Counters
			} else if h.Addr == sv.fallback {
				sv.FallbackCounters = sv.FallbackCounters.Add(h.Counters)
			}
		}
	}
}

// setWeights sets the weights of real servers to those of the dataplane where these
// differ from the weights that were applied last.
func (sv *ServiceStatus) setWeights(at map[netip.AddrPort]*ServerStatus, have dataplane.ServiceStatus) {
	sameWeight := func(a, b dataplane.RealServer) bool { return a.Addr == b.Addr && a.Weight == b.Weight }
	if sv.asked == nil || slices.EqualFunc(have.Service.RealServers, sv.asked.RealServers, sameWeight) {
		return
	}
	other := map[netip.AddrPort]int{}
	for _, h := range have.Service.RealServers {
		other[h.Addr] = h.Weight
	}
	for _, r := range sv.asked.RealServers {
		if w, there := other[r.Addr]; there && w == r.Weight {
			delete(other, r.Addr)
		} else {
			other[r.Addr] = w
		}
	}
	for addr, w := range other {
		if s := at[addr]; s != nil {
			s.Current, s.SlowStart = (w+sv.scale-1)/sv.scale, 0
			if s.State == Up && s.Current == 0 && s.Weight > 0 {
				s.State = Pending
			}
		}
	}
}
