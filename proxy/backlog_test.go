package proxy_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// A flood on one service, or on several, leaves each of the others its part of
// the connections, and no more than the limit are carried.
func TestFloodLeavesOthersTheirShare(t *testing.T) {
	const (
		limit, services = 40, 4
		own             = limit / 2 / services
	)
	for flooded := 1; flooded < services; flooded++ {
		t.Run(fmt.Sprint(flooded), func(t *testing.T) {
			d := newPlane(t, proxy.Options{Workers: 2, Limits: proxy.Limits{Connections: limit}})
			var all []dataplane.VirtualService
			for range services {
				v := tcpService(t, tcpServer(t, "127.0.0.1", says("x")))
				apply(t, d, v)
				all = append(all, v)
			}
			for _, v := range all[:flooded] {
				for range 2 * limit {
					dial(t, v)
				}
			}
			holding := func() (n int) {
				for _, st := range get[[]dataplane.ServiceStatus](t)(d.Snapshot(t.Context())) {
					if st.Full {
						n++
					}
				}
				return n
			}
			wait.Until(t, "the floods wait", func() bool { return holding() == flooded })
			if l := d.Load().Connections; l.Reserved != own || l.Used != limit-int64(services-flooded)*own {
				t.Errorf("%+v, want all but %d for each service that is not flooded", l, own)
			}
			for _, v := range all[flooded:] {
				for range own {
					wantStart(t, dial(t, v), "x")
				}
			}
			if l := d.Load().Connections; l.Used != limit {
				t.Errorf("%+v, want all of them", l)
			}
		})
	}
}

// Many who wait at several services and workers are all served, one after the
// other, as soon as there is a place: it takes far less than a tick for each.
func TestEverybodyWhoWaitsIsServed(t *testing.T) {
	for _, limit := range []int{1, 3, 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			d := newPlane(t, proxy.Options{Workers: 3, Limits: proxy.Limits{Connections: limit}})
			var all []dataplane.VirtualService
			for range 3 {
				v := tcpService(t, tcpServer(t, "127.0.0.1", says("x")))
				apply(t, d, v)
				all = append(all, v)
			}
			var clients sync.WaitGroup
			n := scaled(600, 150)
			for i := range n {
				clients.Go(func() {
					c, err := net.DialTimeout("tcp", all[i%len(all)].ID.Addr.String(), 6*patience)
					if err == nil {
						_ = c.SetDeadline(time.Now().Add(6 * patience))
						_, err = c.Read(make([]byte, 1))
						_ = c.Close()
					}
					if err != nil {
						t.Errorf("client %d: %v", i, err)
					}
				})
			}
			clients.Wait()
			if l := d.Load().Connections; l.Refused == 0 && limit < 20 {
				t.Errorf("%+v, want that some have waited", l)
			}
			wait.Until(t, "all are gone", func() bool { return d.Load().Connections.Used == 0 })
		})
	}
}

// A service that comes finds the others with all that there is. It gets its part
// as they end, before those of them that wait.
func TestNewServiceGetsItsPart(t *testing.T) {
	const limit = 12
	d := newPlane(t, proxy.Options{Workers: 2, Limits: proxy.Limits{Connections: limit}})
	old := tcpService(t, tcpServer(t, "127.0.0.1", says("x")))
	apply(t, d, old)
	var held []net.Conn
	for range limit {
		c := dial(t, old)
		wantStart(t, c, "x")
		held = append(held, c)
	}
	for range limit {
		dial(t, old)
	}
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("x")))
	apply(t, d, v)
	var late []*net.TCPConn
	for range limit / 4 {
		late = append(late, dial(t, v))
	}
	for _, c := range held[:limit/2] {
		_ = c.Close()
	}
	for _, c := range late {
		wantStart(t, c, "x")
	}
	must(t, d.Remove(t.Context(), old.ID))
	must(t, d.Apply(t.Context(), v))
}

// Limits change while clients wait.
func TestLimitChangesWhileClientsWait(t *testing.T) {
	d := newPlane(t, proxy.Options{Workers: 2, Limits: proxy.Limits{Connections: 1}})
	v := tcpService(t, tcpServer(t, "127.0.0.1", says("x")))
	apply(t, d, v)
	first := dial(t, v)
	wantStart(t, first, "x")
	var late []*net.TCPConn
	for range 10 {
		late = append(late, dial(t, v))
	}
	wait.Until(t, "they wait", func() bool { return d.Load().Connections.FullListeners > 0 })
	d.SetLimits(proxy.Limits{Connections: 11})
	for _, c := range late {
		wantStart(t, c, "x")
	}
}
