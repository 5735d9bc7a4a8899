package daemon

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestConnectionsHandedOverKeepTheirRealServer: a service that comes back to the
// kernel has the real server of connections that were handed over to this host, for
// nobody else and for as long as there are any.
func TestConnectionsHandedOverKeepTheirRealServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := dataplane.VirtualService{
			ID:          dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")},
			Scheduler:   "wrr",
			RealServers: []dataplane.RealServer{{Addr: netip.MustParseAddrPort("10.0.0.110:80"), Weight: 3}},
		}
		m := &memory{applied: map[dataplane.ServiceID]dataplane.VirtualService{}, with: map[netip.AddrPort]int{localAddr(v.ID): 1}}
		d := newSorryListeners(m, nil, slog.New(slog.DiscardHandler))
		defer d.Close()
		kernel := func(when string, want ...int) {
			t.Helper()
			if got := m.weights(); !slices.Equal(got, want) {
				t.Fatalf("%s: weights %v, want %v", when, got, want)
			}
			all, err := d.Snapshot(t.Context())
			if err != nil || len(all[0].Servers) != 1 || len(all[0].Service.RealServers) != 1 {
				t.Fatalf("%s: shown is %+v, %v", when, all, err)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(d.Apply(t.Context(), v))
		kernel("at first", 3)
		for range 2 {
			must(d.HandOver(t.Context(), v.ID))
			must(d.Remove(t.Context(), v.ID))
			must(d.ApplyDropping(t.Context(), v))
			kernel("back", 3, 0)
			time.Sleep(time.Hour)
			v.RealServers[0].Weight++
			must(d.Apply(t.Context(), v))
			kernel("changed", v.RealServers[0].Weight, 0)
			must(d.HandOver(t.Context(), v.ID)) // and back at once
			must(d.ApplyDropping(t.Context(), v))
			kernel("back again", v.RealServers[0].Weight, 0)
			must(d.Remove(t.Context(), v.ID))
			time.Sleep(time.Hour)
			if got := m.weights(); len(got) > 0 {
				t.Fatalf("a service that was removed has real servers: %v", got)
			}
			must(d.Apply(t.Context(), v))
			kernel("added again", v.RealServers[0].Weight, 0)

			m.mu.Lock()
			m.with[localAddr(v.ID)] = 0
			m.mu.Unlock()
			time.Sleep(2 * localNodePeriod)
			kernel("nobody is left", v.RealServers[0].Weight)
			must(d.Apply(t.Context(), v))
			kernel("later", v.RealServers[0].Weight)
			m.mu.Lock()
			m.with[localAddr(v.ID)], v.RealServers[0].Weight = 1, 3
			m.mu.Unlock()
		}
	})
}
