package ipvs

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestCountersNeverFallAndNeverRepeat: real servers and the service itself come
// and go, by Apply and by another program, while clients connect: every client is
// counted once, whether or not the kernel goes on with the counters of a real
// server that returns.
func TestCountersNeverFallAndNeverRepeat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, f := opened()
		whole := two()
		want := whole.Clone()
		apply := func() {
			if err := d.Apply(t.Context(), want); err != nil {
				t.Fatal(err)
			}
		}
		var clients uint64
		by := map[string]uint64{}
		visit := func() {
			e := f.services[web]
			if e == nil {
				return
			}
			for i := range e.servers {
				n := uint64(rapid.IntRange(0, 3).Draw(t, "clients"))
				one := dataplane.Counters{Connections: n, InPackets: 5 * n, InBytes: 500 * n}
				e.servers[i].counters = e.servers[i].counters.Add(one)
				e.counters = e.counters.Add(one)
				by[e.servers[i].addr.String()] += n
				clients += n
			}
		}
		look := func() {
			all, err := d.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := all[0].Counters.Connections; n != clients {
				t.Fatalf("the service has %d clients, want %d", n, clients)
			}
			got := map[string]uint64{}
			for _, s := range append(all[0].Servers, all[0].Left...) {
				got[s.Addr.String()] += s.Counters.Connections
			}
			for addr, n := range by {
				if got[addr] != n {
					t.Fatalf("%s has %d clients, want %d", addr, got[addr], n)
				}
			}
		}
		apply()
		acts := map[string]func(*rapid.T){
			"clients": func(*rapid.T) { visit() },
			"look":    func(*rapid.T) { look() },
			"change": func(t *rapid.T) {
				f.keeps = rapid.Bool().Draw(t, "kept by the kernel")
				want.RealServers = nil
				for _, r := range whole.RealServers {
					switch rapid.IntRange(0, 2).Draw(t, "weight") {
					case 1:
						r.Weight = 0
						fallthrough
					case 2:
						want.RealServers = append(want.RealServers, r)
					}
				}
				apply()
			},
			"somebody clears the table": func(*rapid.T) {
				look()
				delete(f.services, web)
				delete(f.buried, web)
				look()
				apply()
			},
			"somebody zeroes": func(*rapid.T) {
				look()
				if e := f.services[web]; e != nil {
					e.counters = dataplane.Counters{}
					for i := range e.servers {
						e.servers[i].counters = dataplane.Counters{}
					}
				}
				look()
			},
			"": func(*rapid.T) {},
		}
		t.Repeat(acts)
		look()
	})
}
