package mux

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A fakeDataplane is a dataplane in memory that counts one client for each service
// it has and says what happens to it, in order with others.
type fakeDataplane struct {
	name string
	seen *eventLog
	fail error

	mu      sync.Mutex
	applied map[dataplane.ServiceID]dataplane.VirtualService
}

// An eventLog is a list of events, in order.
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (r *eventLog) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

// take returns what was added since the last call.
func (r *eventLog) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func (w *fakeDataplane) Apply(_ context.Context, v dataplane.VirtualService) error {
	w.seen.add("apply " + w.name)
	if w.fail != nil {
		return w.fail
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applied[v.ID] = v.Clone()
	return nil
}

func (w *fakeDataplane) Remove(_ context.Context, id dataplane.ServiceID) error {
	w.seen.add("remove " + w.name)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.applied, id)
	return nil
}

func (w *fakeDataplane) Snapshot(context.Context) (all []dataplane.ServiceStatus, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.applied {
		st := dataplane.ServiceStatus{Service: v.Clone(), Counters: dataplane.Counters{Connections: 1}}
		for i, r := range v.RealServers {
			s := dataplane.ServerStatus{RealServer: r}
			if i == 0 {
				s.Counters.Connections = 1
			}
			st.Servers = append(st.Servers, s)
		}
		all = append(all, st)
	}
	return all, nil
}

func (w *fakeDataplane) Close() error { return nil }

func (w *fakeDataplane) Look(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	all, err := w.Snapshot(ctx)
	for _, st := range all {
		if st.Service.ID == id {
			return st, err
		}
	}
	return dataplane.ServiceStatus{}, err
}

// A intercepting is one that passes connections on.
type intercepting struct {
	fakeDataplane
	left atomic.Int64
}

func (r *intercepting) HandOver(context.Context, dataplane.ServiceID) error {
	r.seen.add("hand over " + r.name)
	return nil
}

func (r *intercepting) Depending(context.Context, dataplane.ServiceID) (int, error) {
	return int(r.left.Load()), nil
}

// moved returns a mux over a kernel and a proxy, with a service on the kernel.
func moved(t *testing.T) (m *Mux, kernel *intercepting, proxy *fakeDataplane, v dataplane.VirtualService, saw func(...string)) {
	t.Helper()
	seen := &eventLog{}
	in := func(name string) fakeDataplane {
		return fakeDataplane{applied: map[dataplane.ServiceID]dataplane.VirtualService{}, name: name, seen: seen}
	}
	p := in("proxy")
	kernel, proxy = &intercepting{fakeDataplane: in("ipvs")}, &p
	m = New(slog.New(slog.DiscardHandler), Plane{kernel, "ipvs"}, Plane{proxy, "proxy"})
	v = dataplane.VirtualService{
		ID:          dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")},
		RealServers: []dataplane.RealServer{{Addr: netip.MustParseAddrPort("10.0.0.110:80"), Weight: 1}},
	}
	saw = func(want ...string) {
		t.Helper()
		synctest.Wait()
		if got := seen.take(); !slices.Equal(got, want) {
			t.Fatalf("saw %q, want %q", got, want)
		}
	}
	check(t, m.Apply(t.Context(), v))
	saw("apply ipvs")
	return m, kernel, proxy, v, saw
}

// leaving is moved with the service on its way to the proxy, and three
// connections on the kernel.
func leaving(t *testing.T) (m *Mux, kernel *intercepting, v dataplane.VirtualService, saw func(...string)) {
	t.Helper()
	m, kernel, _, v, saw = moved(t)
	kernel.left.Store(3)
	m.to(v, "proxy")
	check(t, m.Apply(t.Context(), v))
	saw("apply proxy", "hand over ipvs")
	return m, kernel, v, saw
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// to routes the service.
func (m *Mux) to(v dataplane.VirtualService, plane string) {
	m.Route(map[dataplane.ServiceID]string{v.ID: plane})
}

// connections are those counted for the only service.
func connections(t *testing.T, m *Mux) uint64 {
	t.Helper()
	all, err := m.Snapshot(t.Context())
	check(t, err)
	if len(all) != 1 || all[0].Counters.Connections != all[0].Servers[0].Counters.Connections {
		t.Fatalf("shown is %+v", all)
	}
	return all[0].Counters.Connections
}

// TestMoveAppliesBeforeItRemoves: both ways, and nothing is let go that has
// connections. Counters do not fall.
func TestMoveAppliesBeforeItRemoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, kernel, v, saw := leaving(t)
		defer m.Close()
		if n := connections(t, m); n != 2 {
			t.Errorf("%d connections while it moves, want 2", n)
		}
		time.Sleep(time.Minute)
		check(t, m.Apply(t.Context(), v))
		saw("apply proxy")
		kernel.left.Store(0)
		time.Sleep(time.Second)
		saw("remove ipvs")
		if n := connections(t, m); n != 2 {
			t.Errorf("%d connections after it has moved, want 2", n)
		}

		m.to(v, "ipvs")
		check(t, m.Apply(t.Context(), v))
		saw("apply ipvs")
		time.Sleep(Handshake + time.Second)
		saw("remove proxy")
		if n := connections(t, m); n != 3 {
			t.Errorf("%d connections after it has moved back, want 3", n)
		}
		check(t, m.Remove(t.Context(), v.ID))
		saw("remove ipvs")
	})
}

// TestMoveEnds when connections do not.
func TestMoveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _, saw := leaving(t)
		defer m.Close()
		time.Sleep(maxMigration + time.Second)
		saw("remove ipvs")
	})
}

// TestMoveBackAtOnce leaves a service where it was; a stop and a removal in the
// middle leave nothing behind.
func TestMoveBackAtOnce(t *testing.T) {
	for name, middle := range map[string]func(*Mux, dataplane.VirtualService) error{
		"back": func(m *Mux, v dataplane.VirtualService) error {
			m.to(v, "ipvs")
			return m.Apply(context.Background(), v)
		},
		"removed": func(m *Mux, v dataplane.VirtualService) error { return m.Remove(context.Background(), v.ID) },
		"stopped": func(m *Mux, _ dataplane.VirtualService) error { return m.Drain(context.Background()) },
	} {
		synctest.Test(t, func(t *testing.T) {
			m, _, v, saw := leaving(t)
			time.Sleep(time.Second)
			check(t, middle(m, v))
			time.Sleep(2 * maxMigration)
			switch name {
			case "back":
				saw("apply ipvs", "remove proxy")
			case "removed":
				saw("remove ipvs", "remove proxy")
			case "stopped":
				saw("remove ipvs")
			}
			check(t, m.Close())
		})
	}
}

// TestMoveThatFails: the old dataplane goes on.
func TestMoveThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, proxy, v, saw := moved(t)
		defer m.Close()
		m.to(v, "proxy")
		proxy.fail = errors.New("address in use")
		if err := m.Apply(t.Context(), v); !errors.Is(err, proxy.fail) {
			t.Errorf("Apply: %v", err)
		}
		saw("apply proxy", "remove proxy")
		time.Sleep(2 * maxMigration)
		saw()
		proxy.fail = nil
		check(t, m.Apply(t.Context(), v))
		time.Sleep(Handshake + time.Second)
		saw("apply proxy", "hand over ipvs", "remove ipvs")
	})
}
