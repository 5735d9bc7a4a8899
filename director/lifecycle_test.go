package director

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// A server that a reload brings stays out from its first grace if a file
// says so, in whatever service it appears.
func TestMaintenanceOfWhatAReloadBrings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "192.168.80.120"), "")
		with := func(vs ...config.Virtual) *config.Config {
			c := conf(vs...)
			c.Global.MaintenanceDir = dir
			return c
		}
		v := virtual(vip, rs1)
		r := newFixture(t, with(v)).start()
		defer r.stop()
		time.Sleep(2500 * time.Millisecond)
		never := func(w config.Virtual) {
			t.Helper()
			for range 200 {
				r.want(w, w.ID.Addr.String()+": "+rs1+"=1")
				time.Sleep(10 * time.Millisecond)
			}
		}
		v = virtual(vip, rs1, rs2)
		r.edit("a server more", with(v), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		never(v)
		moved := virtual("10.0.0.200:80", rs1, rs2)
		r.edit("another service", with(v, moved), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		never(v)
		time.Sleep(2 * time.Second)
		r.want(moved, "10.0.0.200:80: "+rs1+"=1")
		// Without the folder nothing is kept out.
		r.edit("no folder", conf(v), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(v.CheckInterval)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=1")
	})
}

// A server that is kept out at the start is not in use for a grace, however
// quick its first check is.
func TestMaintenanceAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		c := conf(v)
		c.Global.MaintenanceDir = t.TempDir()
		writeFile(t, filepath.Join(c.Global.MaintenanceDir, "192.168.80.110:80"), "")
		r := newFixture(t, c).start()
		defer r.stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.plane.trace) != 1 {
			t.Errorf("applied %v", r.plane.trace)
		}
	})
}

// A start whose context ends has no effect and returns an error.
func TestStartIsInterrupted(t *testing.T) {
	r := newFixture(t, conf(virtual(vip, rs1)))
	ctx, cancel := context.WithCancel(t.Context())
	parse := r.o.Parse
	r.o.Parse = func(ctx context.Context, src *config.Source) (*config.Config, error) {
		cancel()
		return parse(ctx, src)
	}
	if err := r.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("start: %v", err)
	}
	if len(r.plane.trace) != 0 {
		t.Errorf("the dataplane was touched: %v", r.plane.trace)
	}
}

// Status and Reload may come at any time: while it starts, while it runs and
// while it stops. Parse is called once at a time, and what the stop has taken
// away stays away.
func TestAnythingAtAnyTime(t *testing.T) {
	for range 20 {
		v := virtual(vip, rs1)
		r := newFixture(t, conf(v))
		var one sync.Mutex
		parse := r.o.Parse
		r.o.Parse = func(ctx context.Context, src *config.Source) (*config.Config, error) {
			if !one.TryLock() {
				t.Error("Parse is called twice at once")
				return nil, errors.New("twice")
			}
			defer one.Unlock()
			time.Sleep(time.Millisecond)
			return parse(ctx, src)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_ = r.Reload(ctx)
				}
			})
			wg.Go(func() {
				for ctx.Err() == nil {
					_, _ = r.Status(ctx)
				}
			})
		}
		r.start()
		time.Sleep(5 * time.Millisecond)
		r.stop()
		if err := r.Reload(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("reload after stop: %v", err)
		}
		cancel()
		wg.Wait()
		if n := len(r.plane.served); n != 0 {
			t.Fatalf("%d services after the stop", n)
		}
	}
}

// A reload while services drain changes nothing any more.
func TestReloadWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut, keep := virtual("10.0.0.1:80", rs1), virtual("10.0.0.2:80", rs1)
		keep.CleanStop = false
		r := newFixture(t, conf(cut, keep)).start()
		time.Sleep(2 * time.Second)
		stopped := make(chan error)
		go func() { stopped <- r.Stop(context.Background()) }()
		time.Sleep(time.Second)
		r.want(cut, "invalid AddrPort: ")
		if s := r.status(); s.Ready {
			t.Error("ready while it stops")
		}
		if err := r.Reload(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("reload: %v", err)
		}
		r.want(cut, "invalid AddrPort: ")
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// A context that is done when the stop begins skips waiting, not work.
func TestStopWithADoneContext(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			said := filepath.Join(t.TempDir(), "said")
			v := virtual(vip, rs1)
			v.FallbackCommand = "echo >>" + said
			r := newFixture(t, conf(v))
			r.farm.set(rs1, "broken")
			r.start()
			time.Sleep(2 * time.Second)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := r.Stop(ctx); err != nil {
				t.Error(err)
			}
			if n := len(r.plane.served); n != 0 {
				t.Errorf("%d services are left", n)
			}
			text, err := os.ReadFile(said)
			if want := "start " + vip + " tcp\nstop " + vip + " tcp\n"; err != nil || string(text) != want {
				t.Errorf("fallbackcommand: %q, %v", text, err)
			}
		})
	}
}

// A reload whose caller gives up is not taken for one that was made: the edit is still
// picked up.
func TestReloadGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		c := conf(v)
		c.Global.AutoReload = true
		r := newFixture(t, c).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.edit("second", conf(virtual(vip, rs1+" 7")), nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Reload(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("reload: %v", err)
		}
		time.Sleep(3 * time.Second)
		r.want(v, vip+": "+rs1+"=7")
		if s := r.status().Config; s.ReloadFailures != 0 {
			t.Errorf("status %+v", s)
		}
	})
}
