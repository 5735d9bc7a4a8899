package table_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

func TestPickAllocations(t *testing.T) {
	for _, scheduler := range table.Schedulers() {
		for _, persistent := range []bool{false, true} {
			v := service(scheduler, 3, 2, 1)
			if persistent {
				v.Persistent, v.PersistentBits = 1<<40, 24
			}
			s := table.New(v)
			one := func() {
				c, _ := s.Pick(client(1), nil)
				c.Established()
				c.In(1, 1)
				c.Done()
			}
			one()
			if n := testing.AllocsPerRun(1000, one); n != 0 {
				t.Errorf("%s, persistent %v: %v allocations a connection, want none", scheduler, persistent, n)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, scheduler := range table.Schedulers() {
		for _, servers := range []int{2, 10, 100} {
			v := service(scheduler)
			for i := range servers {
				a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: netip.AddrPortFrom(a, 80), Weight: 1 + i%7})
			}
			b.Run(fmt.Sprintf("%s/%d", scheduler, servers), func(b *testing.B) {
				s := table.New(v)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					c, _ := s.Pick(client(i), nil)
					c.Done()
				}
			})
		}
	}
}

// Many ask at once, as the workers of an engine do.
func BenchmarkPickAtOnce(b *testing.B) {
	for _, scheduler := range []string{"rr", "wrr", "wlc", "mh"} {
		b.Run(scheduler, func(b *testing.B) {
			s := table.New(service(scheduler, 5, 4, 3, 2, 1))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c, _ := s.Pick(client(7), nil)
					c.Done()
				}
			})
		})
	}
}
