package director

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/statefile"
)

// A conf is a configuration made by hand, from the values a file would give.
func conf(vs ...config.Virtual) *config.Config {
	return &config.Config{Path: "test.cf", Virtuals: vs}
}

// virtual is a TCP service on addr with defaults, checked every 10 seconds by
// connect, and the real servers "ADDR:PORT WEIGHT".
func virtual(addr string, reals ...string) config.Virtual {
	v := config.Virtual{
		ID:        dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort(addr)},
		Scheduler: "wrr", CheckType: config.CheckConnect, Service: "http", HTTPMethod: "GET",
	}
	v.CheckTimeout, v.NegotiateTimeout = 3*time.Second, 3*time.Second
	v.CheckInterval, v.FastInterval, v.DownInterval = 10*time.Second, 10*time.Second, 10*time.Second
	v.CheckCount, v.FailureCount, v.RiseCount = 1, 1, 1
	v.CleanStop, v.EmailAlertStatus = true, config.AlertAll
	v.InitState, v.Quorum, v.MaxDown = config.InitKernel, 1, 100
	v.DrainTimeout = 30 * time.Second
	for _, r := range reals {
		v.Reals = append(v.Reals, realServer(r))
	}
	return v
}

func realServer(text string) config.Real {
	addr, weight, _ := strings.Cut(text, " ")
	r := config.Real{Addr: netip.MustParseAddrPort(addr), Forward: dataplane.Masq, Weight: 1}
	if weight != "" {
		r.Weight, _ = strconv.Atoi(weight)
	}
	return r
}

func fallback(addr string) *config.Fallback {
	if addr == "sorry" {
		return &config.Fallback{Sorry: true}
	}
	return &config.Fallback{Addr: netip.MustParseAddrPort(addr), Forward: dataplane.Masq}
}

// show is a wanted service in one line.
func show(v dataplane.VirtualService) string {
	var rs []string
	for _, r := range v.RealServers {
		name := r.Addr.String()
		if !r.Addr.IsValid() {
			name = "sorry"
		}
		rs = append(rs, fmt.Sprintf("%s=%d", name, r.Weight))
	}
	return v.ID.Addr.String() + ": " + strings.Join(rs, " ")
}

// An effectLog records the effects of a cluster, in order, and its events.
type effectLog struct {
	lines  []string
	events []Event
	saved  statefile.State // the latest
}

func (s *effectLog) record(e Event) uint64 {
	s.events = append(s.events, e)
	return uint64(len(s.events))
}

func (s *effectLog) add(format string, a ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, a...))
}
func (s *effectLog) apply(v dataplane.VirtualService)        { s.add("apply %s", show(v)) }
func (s *effectLog) remove(id dataplane.ServiceID)           { s.add("remove %s", id.Addr) }
func (s *effectLog) removeFound(v dataplane.VirtualService)  { s.add("remove found %s", v.ID.Addr) }
func (s *effectLog) mail(m Mail)                             { s.add("mail %s %s: %s", m.Status, m.To[0], m.Subject) }
func (s *effectLog) monitor(path, line string)               { s.add("monitor %s: %s", path, line) }
func (s *effectLog) save(version uint64, st statefile.State) { s.saved = st }
func (s *effectLog) run(_, line string, env []string) {
	s.add("%s %s", line, strings.Join(env[:1], " "))
}

func (s *effectLog) fallbackCommand(v *config.Virtual, word string) {
	s.add("%s %s", v.FallbackCommand, word)
}

func (s *effectLog) post(p Post) {
	s.add("post %s %s %s held %d", p.Name(), p.Event.Event, p.Event.Real, p.Event.Held)
}

// take returns what was recorded since the last call.
func (s *effectLog) take() []string {
	lines := s.lines
	s.lines = nil
	return lines
}

// want fails the test unless exactly lines have been recorded since.
func (s *effectLog) want(t *testing.T, event string, lines ...string) {
	t.Helper()
	if got := s.take(); !slices.Equal(got, lines) {
		t.Fatalf("%s:\n got %s\nwant %s", event, strings.Join(got, "\n     "), strings.Join(lines, "\n     "))
	}
}

// A plane is a dataplane in memory.
type plane struct {
	mu      sync.Mutex
	served  map[dataplane.ServiceID]dataplane.VirtualService
	applied map[dataplane.ServiceID]dataplane.VirtualService
	trace   []string
	fail    error
	drained bool
	when    []time.Time // of what is in trace
	// active are the connections of servers, nil for as many as their place in the service.
	active map[string]int
	// foreign is what somebody else has left, which is there to be found.
	foreign []dataplane.VirtualService
	// observer is told of servers that clients do not reach.
	observer func(dataplane.ServiceID, netip.AddrPort)
}

func (p *plane) Observe(f func(dataplane.ServiceID, netip.AddrPort)) { p.observer = f }

func newPlane() *plane {
	return &plane{served: map[dataplane.ServiceID]dataplane.VirtualService{}, applied: map[dataplane.ServiceID]dataplane.VirtualService{}}
}

func (p *plane) Apply(_ context.Context, v dataplane.VirtualService) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.served[v.ID], p.applied[v.ID] = v.Clone(), v.Clone()
	p.trace = append(p.trace, show(v))
	p.when = append(p.when, time.Now())
	return nil
}

func (p *plane) Remove(_ context.Context, id dataplane.ServiceID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.served, id)
	delete(p.applied, id)
	p.trace = append(p.trace, "remove "+id.Addr.String())
	p.when = append(p.when, time.Now())
	return nil
}

func (p *plane) Snapshot(context.Context) ([]dataplane.ServiceStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []dataplane.ServiceStatus
	for id, want := range p.applied {
		v, there := p.served[id]
		st := dataplane.ServiceStatus{Service: v.Clone()}
		st.Service.ID = id
		if !there || !v.Equal(want) {
			st.Changes = []string{show(v) + " instead of " + show(want)}
		}
		for i, r := range v.RealServers {
			one := dataplane.ServerStatus{RealServer: r, Active: i + 1}
			if p.active != nil {
				one.Active = p.active[r.Addr.String()]
			}
			st.Servers = append(st.Servers, one)
		}
		all = append(all, st)
	}
	return all, nil
}

// clients sets how many connections servers have.
func (p *plane) clients(active map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active = active
}

// changeElsewhere changes a service as somebody else would: weights by address;
// a server without one is removed.
func (p *plane) changeElsewhere(id dataplane.ServiceID, weights map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.served[id].Clone()
	v.RealServers = slices.DeleteFunc(v.RealServers, func(r dataplane.RealServer) bool {
		_, stays := weights[r.Addr.String()]
		return !stays
	})
	for i := range v.RealServers {
		v.RealServers[i].Weight = weights[v.RealServers[i].Addr.String()]
	}
	p.served[id] = v
	if weights == nil {
		delete(p.served, id)
	}
}

func (p *plane) Audit(context.Context) (found []dataplane.Drift, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, v := range p.applied {
		if s, ok := p.served[id]; !ok || !s.Equal(v) {
			d := dataplane.Drift{Service: id, Changes: []string{show(s) + " instead of " + show(v)}}
			for _, r := range v.RealServers {
				if ok && !slices.ContainsFunc(s.RealServers, func(h dataplane.RealServer) bool { return h.Addr == r.Addr }) {
					d.Missing = append(d.Missing, r.Addr)
				}
			}
			found = append(found, d)
		}
	}
	return found, nil
}

func (p *plane) Find(context.Context, []dataplane.ServiceID) ([]dataplane.VirtualService, error) {
	return p.foreign, nil
}

func (p *plane) Close() error { return nil }

func (p *plane) End(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trace = append(p.trace, "end")
	return nil
}

func (p *plane) Drain(ctx context.Context) error {
	p.mu.Lock()
	p.drained = true
	p.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (p *plane) setFail(err error) {
	p.mu.Lock()
	p.fail = err
	p.mu.Unlock()
}

// now returns what is served for the first service of vs, in one line.
func (p *plane) now(v config.Virtual) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return show(p.served[v.ID])
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
