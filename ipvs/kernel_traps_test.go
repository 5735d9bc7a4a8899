//go:build kernel

package ipvs

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	moby "github.com/moby/ipvs"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// TestSharedLibraryHangs is why there is a mutex and a watchdog: callers who
// share the library's handle wait for ever. The watchdog ends that, and the
// next call is as good as ever.
func TestSharedLibraryHangs(t *testing.T) {
	k := openTest(t)
	must(t, k.addService(web, plain))
	k.lib.patience = 3 * time.Second
	err := k.lib.call(func(h *moby.Handle) error {
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for {
					if _, err := h.GetServices(); err != nil {
						return
					}
				}
			})
		}
		callers.Wait()
		return nil
	})
	if !errors.Is(err, errStuck) {
		t.Errorf("got %v, want %v", err, errStuck)
	}
	k.lib.patience, k.lib.home = patience, here() // the test is outside of the namespace
	if err := k.lib.call(func(h *moby.Handle) error { _, err := h.GetServices(); return err }); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// TestManyCallers: many goroutines share a dataplane.
func TestManyCallers(t *testing.T) {
	d := withTable(openTest(t), nil)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			want := two()
			want.ID.Addr = netip.AddrPortFrom(want.ID.Addr.Addr(), uint16(1000+i))
			for n := range 100 {
				want.RealServers[0].Weight = n % 3
				if err := d.Apply(t.Context(), want); err != nil {
					t.Error(err)
				}
				if _, err := d.Snapshot(t.Context()); err != nil && n%10 == 0 {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
}

// TestLibraryReadsLess is why reading back is done by requests of our own.
func TestLibraryReadsLess(t *testing.T) {
	k := openTest(t)
	o := options{scheduler: "rr", flags: flagPersistent, timeout: 60, netmask: netmask(false, 32), engine: "sip"}
	id := udp("10.9.0.1:5060")
	must(t, k.addService(id, o))
	must(t, k.addServer(id, with(rip, func(s *server) { s.weight = 65536 })))
	e, err := k.read(id)
	must(t, err)
	if e.options != o || e.servers[0].weight != 65536 {
		t.Errorf("wrote %+v and weight 65536, read %+v", o, e)
	}
	must(t, k.lib.call(func(h *moby.Handle) error {
		services, err := h.GetServices()
		must(t, err)
		servers, err := h.GetDestinations(services[0])
		must(t, err)
		if services[0].PEName != "" || services[0].Flags == o.flags || servers[0].Weight == 65536 {
			t.Errorf("the library reads %+v and %+v: it has learnt to", services[0], servers[0])
		}
		return nil
	}))
}

// TestEngineOfSomebodyElse is one that has to go.
func TestEngineOfSomebodyElse(t *testing.T) {
	k := openTest(t)
	d := withTable(k, nil)
	want := dataplane.VirtualService{ID: udp("10.9.0.1:5060"), Scheduler: "rr", Persistent: time.Minute, PersistentBits: 32}
	o := goalOptions(want)
	o.engine = "sip"
	must(t, k.addService(want.ID, o))
	must(t, d.Apply(t.Context(), want))
	e, err := k.read(want.ID)
	must(t, err)
	if e.options != goalOptions(want) || d.Writes() != 1 {
		t.Errorf("%d writes, and now it is %+v", d.Writes(), e.options)
	}
}

// TestTunnelOfSomebodyElse is made the one that is wanted.
func TestTunnelOfSomebodyElse(t *testing.T) {
	k := openTest(t)
	d := withTable(k, nil)
	want := dataplane.VirtualService{ID: web, Scheduler: "rr", RealServers: []dataplane.RealServer{
		{Addr: rip.addr, Forward: dataplane.IPIP, Weight: 1},
	}}
	must(t, k.addService(web, goalOptions(want)))
	gue := with(goalServer(want.RealServers[0]), func(s *server) { s.tunnel = tunnel{kind: 1, port: 6080} })
	must(t, k.addServer(web, gue))
	e, err := k.read(web)
	must(t, err)
	if e.servers[0].server != gue {
		t.Errorf("wrote %+v, read %+v", gue, e.servers[0].server)
	}
	must(t, d.Apply(t.Context(), want))
	holds(t, d, want)
}

// TestCountersHave64Bits looks for the attribute itself: nobody has the time
// for four thousand million packets.
func TestCountersHave64Bits(t *testing.T) {
	k := openTest(t)
	must(t, k.addService(web, plain))
	must(t, k.addServer(web, rip))
	service, err := k.request(cmdGetService, 0, serviceAttr(web))
	must(t, err)
	servers, err := k.dump(cmdGetDest, serviceAttr(web))
	must(t, err)
	for _, c := range []struct {
		msg             []byte
		object, attr, n uint16
	}{{service[0], cmdAttrService, svcStats64, 8}, {servers[0], cmdAttrDest, dstStats64, 8}} {
		a, err := content(c.msg, c.object)
		must(t, err)
		counts, err := parse(a[c.attr])
		must(t, err)
		if len(counts[statConns]) != int(c.n) {
			t.Errorf("connections are counted in %d bytes, want %d", len(counts[statConns]), c.n)
		}
	}
}

// TestDescriptors sees every socket go with Close.
func TestDescriptors(t *testing.T) {
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(all)
	}
	n := namespace(t, netlab.Test(t))
	before := count()
	for range 10 {
		must(t, n.Do(func() error {
			d, err := New(Options{})
			if err != nil {
				return err
			}
			return d.Close()
		}))
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, before there were %d", after, before)
	}
}
