//go:build kernel

package ipvs

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestApplyDropping: a service that another program on this host has served is
// applied, again and again, while clients connect all the time. Each of them is
// served by one or the other.
func TestApplyDropping(t *testing.T) {
	s := newFixture(t, dataplane.Gate)
	s.serve(t, ":80")
	ln, err := s.director.Listen("tcp", ":80")
	must(t, err)
	host := &namedListener{Listener: ln, name: "host"}
	host.work.Go(host.accept)
	t.Cleanup(host.stop)
	d := s.open(t)

	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var connecting sync.RWMutex
	var served, refused atomic.Int32
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				connecting.RLock()
				c, err := dial(s.client, vip4.String()+":80")
				connecting.RUnlock()
				switch {
				case err == nil:
					served.Add(1)
					_ = c.Conn.(*net.TCPConn).SetLinger(0)
					_ = c.Close()
				case errors.Is(err, unix.ECONNREFUSED):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	want := dataplane.VirtualService{ID: tcp(vip4.String() + ":80"), Scheduler: "wrr", RealServers: reals(dataplane.Gate, false, 80)}
	for range 40 {
		must(t, d.ApplyDropping(t.Context(), want))
		connecting.Lock() // a service that goes takes connections with it
		must(t, d.Remove(t.Context(), want.ID))
		connecting.Unlock()
	}
	cancel()
	clients.Wait()
	t.Logf("%d clients served", served.Load())
	if n := refused.Load(); n > 0 {
		t.Errorf("%d clients refused", n)
	}
}
