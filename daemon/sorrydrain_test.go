package daemon

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A memory is a kernel that forwards nothing.
type memory struct {
	mu      sync.Mutex
	applied map[dataplane.ServiceID]dataplane.VirtualService
	with    map[netip.AddrPort]int // connections that are closing, by real server
}

func (m *memory) SetPaths(context.Context, []dataplane.Path) error { return nil }

func (m *memory) Apply(_ context.Context, v dataplane.VirtualService) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied[v.ID] = v.Clone()
	return nil
}

func (m *memory) Remove(_ context.Context, id dataplane.ServiceID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.applied, id)
	return nil
}

func (m *memory) Snapshot(context.Context) (all []dataplane.ServiceStatus, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.applied {
		st := dataplane.ServiceStatus{Service: v.Clone()}
		for _, r := range v.RealServers {
			st.Servers = append(st.Servers, dataplane.ServerStatus{RealServer: r, Inactive: m.with[r.Addr]})
		}
		all = append(all, st)
	}
	return all, nil
}

func (m *memory) Close() error                                                       { return nil }
func (m *memory) Audit(context.Context) ([]dataplane.Drift, error)                   { return nil, nil }
func (m *memory) Connections(context.Context) iter.Seq2[dataplane.Connection, error] { return nil }
func (m *memory) Find(context.Context, []dataplane.ServiceID) ([]dataplane.VirtualService, error) {
	return nil, nil
}

func (m *memory) Look(_ context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	all, err := m.Snapshot(context.Background())
	for _, st := range all {
		if st.Service.ID == id {
			return st, err
		}
	}
	return dataplane.ServiceStatus{}, err
}

func (m *memory) Alone(context.Context, dataplane.ServiceID) (bool, error) { return true, nil }

func (m *memory) ApplyDropping(ctx context.Context, v dataplane.VirtualService) error {
	return m.Apply(ctx, v)
}

// weights are those of the real servers of the only service, in order.
func (m *memory) weights() (weights []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.applied {
		for _, r := range v.RealServers {
			weights = append(weights, r.Weight)
		}
	}
	return weights
}

// holding is a sorry server that reads until its client ends.
type holding struct{ came chan struct{} }

func (h holding) ServeConn(_ string, c net.Conn) {
	h.came <- struct{}{}
	_, _ = c.Read(make([]byte, 1))
	_ = c.Close()
}
func (holding) Answer(string, []byte) []byte { return nil }

// TestSorryServerDrains: when a real server is back, the sorry
// server gets nobody new, keeps those it has, and goes when they have gone.
func TestSorryServerDrains(t *testing.T) {
	m, h := &memory{applied: map[dataplane.ServiceID]dataplane.VirtualService{}}, holding{make(chan struct{}, 1)}
	d := newSorryListeners(m, h, slog.New(slog.DiscardHandler))
	defer d.Close()
	well := dataplane.VirtualService{
		ID:          dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("127.0.0.1:80")},
		RealServers: []dataplane.RealServer{{Addr: netip.MustParseAddrPort("10.0.0.110:80"), Weight: 3}},
	}
	failed := well
	failed.RealServers = []dataplane.RealServer{{Sorry: true, Weight: 1}}
	apply := func(v dataplane.VirtualService, weights ...int) {
		t.Helper()
		if err := d.Apply(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if got := m.weights(); !slices.Equal(got, weights) {
			t.Fatalf("weights %v, want %v", got, weights)
		}
		// Nobody is told of those that only stay.
		all, err := d.Snapshot(t.Context())
		if err != nil || len(all[0].Servers) != 1 || len(all[0].Service.RealServers) != 1 {
			t.Fatalf("shown is %+v, %v", all, err)
		}
	}
	apply(well, 3)
	for range 2 {
		apply(failed, 1)
		c, err := net.Dial("tcp", m.applied[well.ID].RealServers[0].Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		<-h.came
		apply(well, 3, 0)
		apply(failed, 1)
		apply(well, 3, 0)
		well.RealServers[0].Weight++
		apply(well, well.RealServers[0].Weight, 0)
		time.Sleep(2 * drainIdle)
		if got := m.weights(); len(got) != 2 {
			t.Fatalf("the sorry server is gone while a client is with it: %v", got)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		wait.For(t, "the sorry server goes when nobody is with it", func() ([]int, bool) { w := m.weights(); return w, len(w) == 1 })
		apply(well, well.RealServers[0].Weight)
		well.RealServers[0].Weight = 3
		apply(well, 3)
	}
}
