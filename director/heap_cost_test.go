//go:build !race

package director

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// maxPerServer is how much of the heap a real server may keep: its state, its check
// and what the loop of checks knows of it, in bytes.
const maxPerServer = 1950

// Real servers that are checked on the loop hold little.
func TestRealServersHoldLittle(t *testing.T) {
	const n = 5000
	perServer := func(reals int) int64 {
		v := virtual(vip)
		v.CheckInterval = time.Minute
		for i := range reals {
			v.Reals = append(v.Reals, config.Real{
				Addr: netip.MustParseAddrPort(fmt.Sprintf("127.77.%d.%d:9", i/200, 1+i%200)), Forward: dataplane.Masq, Weight: 1,
			})
		}
		r := newFixture(t, conf(v))
		d := New(Options{Path: r.path, Dataplane: newPlane(), Parse: r.o.Parse}) // with the real checks
		before := heapInUse()
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait.For(t, fmt.Sprintf("%d real servers have been checked", reals), func() (int, bool) {
			s, err := d.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n := checked(s)
			return n, n == reals
		})
		held := heapInUse() - before
		if err := d.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		runtime.KeepAlive(v)
		return held
	}
	base := perServer(1)
	if each := (perServer(n) - base) / n; each > maxPerServer {
		t.Errorf("a real server holds %d bytes, want %d at most", each, maxPerServer)
	} else {
		t.Logf("a real server holds %d bytes", each)
	}
}

func checked(s Status) (n int) {
	for _, one := range s.Services[0].Servers {
		if !one.Checked.IsZero() {
			n++
		}
	}
	return n
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
