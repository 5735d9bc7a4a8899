package director

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/conffile"
	"github.com/shunt-lb/shunt/director/internal/maintenance"
)

// lookups are the attempts to find what a configuration waits for, and what they
// come to.
type lookups struct {
	mu    sync.Mutex
	tried []time.Duration // since the start
	start time.Time
	found *config.Config // what the next attempt comes to, nil for nothing new
	hangs bool
}

func (w *lookups) again(ctx context.Context, _ *config.Source, inForce *config.Config) (*config.Config, error) {
	w.mu.Lock()
	w.tried = append(w.tried, time.Since(w.start))
	found, hangs := w.found, w.hangs
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
	}
	if found == nil {
		found = inForce
	}
	return found, nil
}

func (w *lookups) set(found *config.Config, hangs bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found, w.hangs = found, hangs
}

func (w *lookups) attempts() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Duration(nil), w.tried...)
}

// waiting is a configuration that waits for the address of a name.
func waiting(c *config.Config, names ...string) *config.Config {
	for i, name := range names {
		c.Await(config.Problem{Pos: config.Pos{File: "test.cf", Line: i + 1}, Text: "no address found for `" + name + "`"})
	}
	return c
}

// The director looks for missing names and files after one second, two, four and so on
// up to a minute, shows them meanwhile, and uses them when they come.
func TestSearchPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, whole := virtual(vip, rs1), virtual(vip, rs1, rs2)
		w := &lookups{start: time.Now()}
		r := newFixture(t, waiting(conf(v), "rs2", "rs3"))
		r.o.Again = w.again
		r.start()
		defer r.stop()
		if got := r.status().Config.Waiting; len(got) != 2 || got[0] != "test.cf:1: waiting: no address found for `rs2`" {
			t.Errorf("waiting for %q", got)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		want := []time.Duration{1, 3, 7, 15, 31, 63, 123, 183, 243}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, w.attempts()[:len(want)]); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if s := r.status(); s.Config.Reloads != 0 || !s.Ready {
			t.Errorf("%d reloads, ready %v: want none for nothing, and a director that is ready", s.Config.Reloads, s.Ready)
		}
		n := len(w.attempts())
		w.set(waiting(conf(whole), "rs3"), false)
		time.Sleep(conffile.LongestPause + 2*time.Second)
		r.want(whole, vip+": "+rs1+"=1 "+rs2+"=1")
		if got := r.status().Config; len(got.Waiting) != 1 || got.ReloadError != "" {
			t.Errorf("waiting for %q, error %q", got.Waiting, got.ReloadError)
		}
		// When one has come others may follow: the pauses begin short again.
		tried := w.attempts()[n:]
		if last := tried[len(tried)-1] - tried[0]; len(tried) < 2 || last > conffile.LongestPause {
			t.Errorf("attempts after one had come: %v", tried)
		}
		w.set(conf(whole), false)
		time.Sleep(conffile.LongestPause + 2*time.Second)
		n = len(w.attempts())
		time.Sleep(5 * conffile.LongestPause)
		if got := r.status().Config.Waiting; len(got) > 0 || len(w.attempts()) != n {
			t.Errorf("all is there: waiting for %q, looked %d more times", got, len(w.attempts())-n)
		}
	})
}

// A configuration that is found and cannot be put in force is shown, and changes
// nothing; a search does not undo a reload that was refused, either.
func TestSearchThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		var refused atomic.Pointer[error]
		err := errors.New("test.cf:2: error: no, thanks")
		refused.Store(&err)
		r := newFixture(t, waiting(conf(v), "rs2"))
		r.o.Again = func(context.Context, *config.Source, *config.Config) (*config.Config, error) {
			return conf(virtual(vip, rs1, rs2)), *refused.Load()
		}
		r.start()
		defer r.stop()
		time.Sleep(10 * time.Second)
		r.want(v, vip+": "+rs1+"=1")
		if got := r.status().Config; len(got.Waiting) != 2 || got.Waiting[1] != err.Error() || got.ReloadFailures > 0 {
			t.Errorf("waiting for %q, %d reloads refused", got.Waiting, got.ReloadFailures)
		}
		r.edit("bad", nil, errors.New("test.cf:1: error: not so"))
		if e := r.Reload(t.Context()); e == nil {
			t.Error("the reload was not refused")
		}
		refused.Store(new(error))
		time.Sleep(time.Minute)
		r.want(virtual(vip, rs1, rs2), vip+": "+rs1+"=1 "+rs2+"=1")
		if got := r.status().Config; len(got.Waiting) > 0 || got.ReloadError == "" {
			t.Errorf("waiting for %q, error %q: want what was refused to be remembered", got.Waiting, got.ReloadError)
		}
	})
}

// An attempt that takes long holds up neither a reload nor a stop.
func TestSearchIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, other := virtual(vip, rs1), virtual(vip, rs2)
		w := &lookups{start: time.Now(), hangs: true}
		r := newFixture(t, waiting(conf(v), "rs2"))
		r.o.Again = w.again
		r.start()
		for _, next := range []config.Virtual{other, v, other} {
			time.Sleep(conffile.FirstPause + 2*searchPeriod) // a look at the file may come first
			r.edit("next", waiting(conf(next), "rs3"), nil)
			start := time.Now()
			if err := r.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 0 {
				t.Errorf("a reload took %v", took)
			}
		}
		if n := len(w.attempts()); n < 3 {
			t.Fatalf("%d attempts, want one for each reload to wait for", n)
		}
		time.Sleep(conffile.FirstPause + time.Second)
		start := time.Now()
		r.stop()
		if took := time.Since(start); took > 0 {
			t.Errorf("a stop took %v", took)
		}
	})
}

// An attempt that takes long does not keep a change of the file from being
// noticed.
func TestSearchEndsWhenTheFileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, other := virtual(vip, rs1), virtual(vip, rs2)
		first, second := conf(v), conf(other)
		first.Global.AutoReload, second.Global.AutoReload = true, true
		w := &lookups{start: time.Now(), hangs: true}
		r := newFixture(t, waiting(first, "rs2"))
		r.o.Again = w.again
		r.start()
		defer r.stop()
		for range 2 {
			time.Sleep(5*conffile.FirstPause + 500*time.Millisecond)
			first, second = second, first
			r.edit(time.Now().String(), waiting(first, "rs3"), nil)
			time.Sleep(6 * filePeriod) // two looks, where one finds the director busy
			synctest.Wait()
			if s := r.status(); s.Services[0].Servers[0].Server != first.Virtuals[0].Reals[0].Addr.String() {
				t.Errorf("the change has not been noticed: %s in use", s.Services[0].Servers[0].Server)
			}
		}
		if len(w.attempts()) < 2 {
			t.Errorf("%d attempts, want one before each change", len(w.attempts()))
		}
	})
}

// A search reads the text in force again, whatever becomes of the file.
func TestSearchLeavesTheFileAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		var texts []string
		r := newFixture(t, waiting(conf(v), "rs2"))
		r.o.Again = func(_ context.Context, src *config.Source, c *config.Config) (*config.Config, error) {
			texts = append(texts, string(src.Text))
			return c, nil
		}
		r.start()
		defer r.stop()
		r.write("second")
		time.Sleep(13 * time.Second)
		synctest.Wait()
		// The look at the changed file ends a search that has just begun, which
		// is then made again.
		if len(texts) < 3 || slices.ContainsFunc(texts, func(s string) bool { return s != "first" }) {
			t.Errorf("texts %q, want three or more times first", texts)
		}
	})
}

// A maintenance file is noticed within a second while a reload waits for name
// servers, and while the host names of real servers are asked for in vain.
func TestMaintenanceWhileNamesAreLookedUp(t *testing.T) {
	for _, kind := range []string{"a reload", "an autoreload", "a search", "host names"} {
		synctest.Test(t, func(t *testing.T) {
			v := virtual(vip, rs1, rs2)
			c := conf(v)
			c.Global.MaintenanceDir, c.Global.AutoReload = t.TempDir(), kind == "an autoreload"
			r := newFixture(t, c)
			hang := make(chan struct{})
			wait := func(ctx context.Context) {
				select {
				case <-ctx.Done():
				case <-hang:
				}
			}
			r.loader.finder.Resolve = func(ctx context.Context, addr string) ([]string, error) {
				wait(ctx)
				return nil, &net.DNSError{Err: "timeout", Name: addr, IsTimeout: true}
			}
			if kind == "a search" {
				waiting(c, "rs3")
			}
			r.o.Again = func(ctx context.Context, _ *config.Source, c *config.Config) (*config.Config, error) {
				wait(ctx)
				return c, nil
			}
			r.start()
			defer r.stop()
			time.Sleep(conffile.FirstPause + 500*time.Millisecond)
			var reloads sync.WaitGroup
			defer reloads.Wait()
			defer close(hang)
			put := func(name string) {
				writeFile(t, filepath.Join(c.Global.MaintenanceDir, name), "")
			}
			parse := r.o.Parse
			switch kind {
			case "a reload", "an autoreload":
				r.o.Parse = func(ctx context.Context, src *config.Source) (*config.Config, error) {
					wait(ctx)
					return parse(ctx, src)
				}
				if kind == "an autoreload" {
					r.write("other")
					break
				}
				reloads.Go(func() { _ = r.Reload(context.Background()) })
			case "host names":
				put("README")
			}
			time.Sleep(3 * time.Second)
			put("192.168.80.110:80")
			time.Sleep(maintenancePeriod)
			synctest.Wait()
			if got, want := r.plane.now(v), vip+": "+rs2+"=1"; got != want {
				t.Errorf("%s: served %q, want %q", kind, got, want)
			}
			if err := os.Remove(filepath.Join(c.Global.MaintenanceDir, "192.168.80.110:80")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(maintenancePeriod + v.CheckInterval)
			synctest.Wait()
			if got, want := r.plane.now(v), vip+": "+rs1+"=1 "+rs2+"=1"; got != want {
				t.Errorf("%s: served %q, want %q", kind, got, want)
			}
		})
	}
}

// A host name that could not be asked for keeps its server out as soon as it
// can.
func TestMaintenanceByNameThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		c := conf(v)
		c.Global.MaintenanceDir = t.TempDir()
		writeFile(t, filepath.Join(c.Global.MaintenanceDir, "web1"), "")
		r := newFixture(t, c)
		start := time.Now()
		r.loader.finder.Resolve = func(ctx context.Context, addr string) ([]string, error) {
			if time.Since(start) < time.Minute {
				<-ctx.Done()
				return nil, &net.DNSError{Err: "timeout", Name: addr, IsTimeout: true}
			}
			return map[string][]string{"192.168.80.110": {"web1.example.test."}}[addr], nil
		}
		r.start()
		defer r.stop()
		if took := time.Since(start); took > maintenance.LookupTimeout {
			t.Errorf("the start took %v", took)
		}
		time.Sleep(30 * time.Second)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=1")
		time.Sleep(time.Minute)
		r.want(v, vip+": "+rs2+"=1")
	})
}
