package director

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/prober"
)

// stuck is a plane on which the calls that are named hang for good.
type stuck struct {
	*plane
	hang map[string]chan struct{}
}

func (p *stuck) Remove(ctx context.Context, id dataplane.ServiceID) error {
	<-p.hang["remove"]
	return p.plane.Remove(ctx, id)
}

func (p *stuck) Drain(ctx context.Context) error {
	<-p.hang["drain"]
	return p.plane.Drain(ctx)
}

// A stop removes the services from the dataplane at once, if that answers, and ends
// within seconds of what it waits for, whatever hangs.
func TestStopWhateverHangs(t *testing.T) {
	const drain = 30 * time.Second
	for _, hangs := range []string{
		"nothing", "remove", "drain", "check", "parse", "follow", "command", "monitorfile", "loop",
	} {
		t.Run(hangs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := make(chan struct{})
				gate := func(what string) chan struct{} {
					open := make(chan struct{})
					if what != hangs {
						close(open)
						return open
					}
					return hang
				}
				cut, keep := virtual(vip, rs1), virtual("10.0.0.2:80", rs1)
				keep.CleanStop, keep.DrainTimeout = false, drain
				r := newFixture(t, conf(cut, keep))
				p := &stuck{r.plane, map[string]chan struct{}{"remove": gate("remove"), "drain": gate("drain")}}
				r.o.Dataplane = p
				r.applyTo(p)
				check := r.findCheck
				r.findCheck = func(name string) (checks.Func, bool) {
					f, ok := check(name)
					return func(ctx context.Context, t checks.Target) error {
						if t.Addr.String() == rs1 {
							<-gate("check")
						}
						return f(ctx, t)
					}, ok
				}
				parse, asked := r.o.Parse, 0
				r.o.Parse = func(ctx context.Context, src *config.Source) (*config.Config, error) {
					if asked++; asked > 1 {
						<-gate("parse")
					}
					return parse(ctx, src)
				}
				r.o.Follow = func(*config.Config) {
					if asked > 1 {
						<-gate("follow")
					}
				}
				r.start()
				time.Sleep(2 * time.Second)
				if hangs == "command" {
					r.hooks.Enqueue("fallbackcommand", func(ctx context.Context) { <-ctx.Done() })
				}
				if hangs == "monitorfile" {
					r.hooks.Enqueue("file "+filepath.Join("dead", "mount"), func(context.Context) { <-hang })
				}
				go func() { _ = r.Reload(context.Background()) }()
				if hangs == "loop" {
					go func() { _ = r.do(context.Background(), func() { <-hang }) }()
				}
				synctest.Wait()

				start := time.Now()
				wait := r.Retire()
				if took := time.Since(start); took > 501*time.Millisecond {
					t.Errorf("Retire took %v", took)
				}
				if gone := r.plane.now(cut) == "invalid AddrPort: "; gone == (hangs == "remove" || hangs == "loop") {
					t.Errorf("the service is gone: %v", gone)
				}
				if hangs != "loop" && wait != drain {
					t.Errorf("would wait for %v", wait)
				}
				r.Drain(context.Background())
				if took := time.Since(start); took > drain+time.Second {
					t.Errorf("Drain came to its end %v after the beginning", took)
				}
				start = time.Now()
				_ = r.Close(context.Background())
				if took := time.Since(start); took > 6*time.Second {
					t.Errorf("Close took %v", took)
				}
				close(hang)
				r.wg.Wait()
				r.prober.Wait()
				r.hooks.Wait()
				r.applier.Wait()
				<-r.loopDone
			})
		})
	}
}

// A stop that is told to hurry waits for nothing.
func TestStopHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep := virtual(vip, rs1)
		keep.CleanStop, keep.DrainTimeout = false, time.Hour
		r := newFixture(t, conf(keep)).start()
		hang := make(chan struct{})
		r.hooks.Enqueue("file", func(context.Context) { <-hang })
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Minute, cancel)
		start := time.Now()
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(start) - 5*time.Minute; took < 0 || took > 900*time.Millisecond {
			t.Errorf("it ended %v after it was told to hurry", took)
		}
		close(hang)
		r.hooks.Wait()
	})
}

// No service comes back after a stop has removed it: not by a late check, a slow start
// or a file in maintenancedir.
func TestNothingComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		v.SlowStart = time.Minute
		r := newFixture(t, conf(v))
		r.farm.set(rs2, "broken")
		r.start()
		time.Sleep(2 * time.Second)
		r.farm.set(rs2, "")
		time.Sleep(v.CheckInterval + 2*time.Second)
		r.Retire()
		_ = r.do(t.Context(), func() {
			r.cluster.checked(r.cluster.services[0].servers[0].checks[0].ID, prober.Result{At: time.Now(), Err: context.Canceled})
			r.cluster.catchUp()
			orders{r.cluster}.maintain(time.Now(), map[string]string{rs1: "file"})
		})
		time.Sleep(time.Minute)
		r.want(v, "invalid AddrPort: ")
		r.Drain(t.Context())
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
