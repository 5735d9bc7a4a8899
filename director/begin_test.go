package director

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/applier"
	"github.com/shunt-lb/shunt/director/internal/prober"
)

// A first is the result of the first check of a real server: err after a time. Later
// checks have the same result at once.
type first struct {
	after time.Duration
	err   error
}

// firsts are checks by the address that they go to. told notes when the first of
// each ended.
type firsts struct {
	*fakeChecks
	of   map[string]first
	told map[string]time.Time
}

func (f *firsts) find(string) (checks.Func, bool) {
	return func(ctx context.Context, t checks.Target) error {
		addr := t.Addr.String()
		f.mu.Lock()
		mine, again := f.of[addr], len(f.runs[addr]) > 0
		f.runs[addr] = append(f.runs[addr], time.Now())
		f.mu.Unlock()
		if again {
			return f.result(addr)
		}
		select {
		case <-time.After(mine.after):
		case <-ctx.Done():
			mine.err = fmt.Errorf("connect %s: timed out", addr)
		}
		f.mu.Lock()
		f.told[addr] = time.Now()
		f.mu.Unlock()
		return mine.err
	}, true
}

// beginning is a running director whose services have not begun, with real
// servers that are checked as of says.
func beginning(t *testing.T, c *config.Config, of map[string]first) (*fixture, *firsts) {
	r := newFixture(t, c)
	f := &firsts{fakeChecks: r.farm, of: of, told: map[string]time.Time{}}
	r.findCheck = f.find
	return r.start(), f
}

func sorryService(reals ...string) config.Virtual {
	v := virtual(vip, reals...)
	v.Fallback = fallback("sorry")
	return v
}

// With any results of the first checks, after any time, the service begins when all of
// them have ended, at the latest a second after the first good one, with all servers
// that are well by then; with the sorry server if none is. Nothing is in the dataplane
// before.
func TestBeginProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		addrs := []string{rs1, rs2, "192.168.80.130:80", "192.168.80.140:80"}[:rapid.IntRange(1, 4).Draw(rt, "servers")]
		of := map[string]first{}
		for _, a := range addrs {
			f := first{after: time.Duration(rapid.IntRange(0, 4000).Draw(rt, a)) * time.Millisecond}
			if rapid.Bool().Draw(rt, a+" fails") {
				f.err = errBad
			}
			of[a] = f
		}
		synctest.Test(t, func(t *testing.T) {
			r, f := beginning(t, conf(sorryService(addrs...)), of)
			defer r.stop()
			time.Sleep(6 * time.Second) // later than all first results, earlier than second ones
			synctest.Wait()
			if at, with := f.beginning(addrs); r.plane.trace[0] != with || !r.plane.when[0].Equal(at) {
				rt.Errorf("begins at %v with %q, want %v, %q", r.plane.when[0], r.plane.trace[0], at, with)
			}
		})
	})
}

// beginning is when a service begins, and with what, as the rule says.
func (f *firsts) beginning(addrs []string) (at time.Time, with string) {
	var good time.Time
	for _, a := range addrs {
		if f.told[a].After(at) {
			at = f.told[a]
		}
		if f.result(a) == nil && (good.IsZero() || f.told[a].Before(good)) {
			good = f.told[a]
		}
	}
	if !good.IsZero() && good.Add(time.Second).Before(at) {
		at = good.Add(time.Second)
	}
	with = vip + ":"
	for _, a := range addrs {
		if f.result(a) == nil && !f.told[a].After(at) {
			with += " " + a + "=1"
		}
	}
	if good.IsZero() {
		with += " sorry=1"
	}
	return at, with
}

// result is what the first check of a comes to: checktimeout is 3 seconds.
func (f *firsts) result(a string) error {
	if f.of[a].after > 3*time.Second {
		return errBad
	}
	return f.of[a].err
}

// A server that is on its way up (risecount) is neither usable nor failed.
func TestBeginWithRiseCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := sorryService(rs1, rs2)
		v.RiseCount, v.FastInterval, v.CheckInterval = 3, 500*time.Millisecond, 2*time.Second
		r, _ := beginning(t, conf(v), nil)
		defer r.stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if want := vip + ": " + rs1 + "=1 " + rs2 + "=1"; !slices.Equal(r.plane.trace, []string{want}) {
			t.Errorf("asked for %q, want %q alone", r.plane.trace, want)
		}
	})
}

// Services begin although this host cannot make their checks: when these are
// resultGrace the sorry server answers.
func TestBeginWithoutChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := sorryService(rs1)
		r := newFixture(t, conf(v))
		r.farm.set(rs1, "no descriptor")
		r.start()
		defer r.stop()
		time.Sleep(v.CheckTimeout)
		r.want(v, "invalid AddrPort: ")
		time.Sleep(prober.FirstSpread + resultGrace)
		r.want(v, vip+": sorry=1")
	})
}

// Services and servers that nobody checks, or that are kept out, are not waited
// for.
func TestBeginAtOnce(t *testing.T) {
	on, none, kept := virtual("10.0.0.1:80", rs1), virtual("10.0.0.2:80"), virtual("10.0.0.3:80", rs2)
	on.CheckType, none.Fallback, kept.Fallback = config.CheckOn, fallback("sorry"), fallback("sorry")
	out := &effectLog{}
	c := newCluster(out, quiet())
	c.files = map[string]string{rs2: "file"}
	c.configure(t0, conf(on, none, kept), nil)
	out.want(t, "start", "apply 10.0.0.1:80: "+rs1+"=1", "apply 10.0.0.2:80: sorry=1", "apply 10.0.0.3:80: sorry=1")
}

// A service that a predecessor has left stays as it is until shunt's begins. If shunt
// stops, or the section is removed, before that, it leaves the dataplane.
func TestBeginWithAPredecessor(t *testing.T) {
	v := sorryService(rs1, rs2)
	left := dataplane.VirtualService{ID: v.ID, Scheduler: "rr", RealServers: []dataplane.RealServer{
		{Addr: netip.MustParseAddrPort(rs1), Weight: 5}, {Addr: netip.MustParseAddrPort("192.168.80.130:80"), Weight: 5},
	}}
	with := func(t *testing.T, f func(r *fixture)) *plane {
		r := newFixture(t, conf(v))
		r.plane.foreign = []dataplane.VirtualService{left}
		f2 := &firsts{fakeChecks: r.farm, of: map[string]first{rs1: {after: 2 * time.Second}, rs2: {after: 1500 * time.Millisecond}}, told: map[string]time.Time{}}
		r.findCheck = f2.find
		r.start()
		f(r)
		synctest.Wait()
		return r.plane
	}
	for name, tt := range map[string]struct {
		do   func(*fixture)
		want []string
	}{
		"it begins": {
			func(r *fixture) { time.Sleep(5 * time.Second); synctest.Wait(); r.stop() },
			[]string{vip + ": " + rs1 + "=1 " + rs2 + "=1", "remove " + vip, "end"},
		},
		"it stops": {
			func(r *fixture) { time.Sleep(time.Second); r.stop() },
			[]string{show(left), "remove " + vip, "end"},
		},
		"the section goes": {
			func(r *fixture) {
				time.Sleep(time.Second)
				r.edit("without", conf(), nil)
				if err := r.Reload(context.Background()); err != nil {
					t.Error(err)
				}
				r.stop()
			},
			[]string{show(left), "remove " + vip, "end"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if p := with(t, tt.do); !slices.Equal(p.trace, tt.want) {
					t.Errorf("asked for\n%s\nwant\n%s", strings.Join(p.trace, "\n"), strings.Join(tt.want, "\n"))
				}
			})
		})
	}
}

// A reload brings services that begin as at a start, and soon, also if their
// servers are checked for others; a server more changes nothing of a service that
// is in force until it is well, and where all servers are others the ones before
// go on until it is known what takes their place.
func TestBeginAfterAReload(t *testing.T) {
	const rs3, rs4 = "192.168.80.130:80", "192.168.80.140:80"
	other := virtual("10.0.0.101:80", rs1, rs2)
	other.Fallback = fallback("sorry")
	slowly := first{after: 700 * time.Millisecond}
	for name, tt := range map[string]struct {
		next []config.Virtual
		want []string
	}{
		"a service more":    {[]config.Virtual{sorryService(rs1, rs2), other}, []string{"10.0.0.101:80: " + rs1 + "=1 " + rs2 + "=1"}},
		"a server more":     {[]config.Virtual{sorryService(rs1, rs2, rs3)}, []string{vip + ": " + rs1 + "=1 " + rs2 + "=1 " + rs3 + "=1"}},
		"all are others":    {[]config.Virtual{sorryService(rs3, rs4)}, []string{vip + ": " + rs3 + "=1 " + rs4 + "=1"}},
		"one goes, one new": {[]config.Virtual{sorryService(rs2, rs3)}, []string{vip + ": " + rs2 + "=1", vip + ": " + rs2 + "=1 " + rs3 + "=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := beginning(t, conf(sorryService(rs1, rs2)), map[string]first{rs3: slowly, rs4: slowly})
				defer r.stop()
				time.Sleep(2 * time.Second)
				synctest.Wait()
				r.plane.trace = nil
				r.edit("next", conf(tt.next...), nil)
				if err := r.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second) // a tenth of a check interval and the first check, and some more
				synctest.Wait()
				if !slices.Equal(r.plane.trace, tt.want) {
					t.Errorf("asked for %q, want %q", r.plane.trace, tt.want)
				}
			})
		})
	}
}

// While the director starts, its status shows the services of the file, and does not
// call it ready because there are none.
func TestStatusOfTheFirstMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFixture(t, conf(virtual(vip, rs1)))
		early := make(chan Status, 5)
		for range cap(early) {
			go func() {
				s, err := r.Status(context.Background())
				if err != nil {
					t.Error(err)
				}
				early <- s
			}()
		}
		synctest.Wait()
		r.start()
		defer r.stop()
		for range cap(early) {
			if s := <-early; len(s.Services) != 1 || s.Ready && !s.Services[0].Served {
				t.Errorf("ready is %v with %d services of one", s.Ready, len(s.Services))
			}
		}
	})
}

// Ready is when the dataplane has every service as it is wanted, and up is a
// server that it has. Nothing else keeps the director from running.
func TestReadyMeansServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, taken := virtual(vip, rs1), virtual("10.0.0.101:80", rs1, rs2+" 0")
		r := newFixture(t, conf(good, taken))
		p := &refusingPlane{plane: r.plane, refused: taken.ID}
		var told []string
		r.o.Ready = func(why string) { told = append(told, why) }
		r.applyTo(p)
		r.start()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		s := r.status()
		const why = "not served as wanted: 1 of 2 virtual services; tcp 10.0.0.101:80 cannot be served: address already in use"
		if s.Ready || s.Unready != why || told[len(told)-1] != why {
			t.Errorf("ready %v, %q, told %q", s.Ready, s.Unready, told)
		}
		states := func(s Status) (all string) {
			for _, sv := range s.Services {
				for _, rs := range sv.Servers {
					all += fmt.Sprintf("%s=%d ", rs.State, rs.Current)
				}
			}
			return all
		}
		if got := states(s); got != "up=1 pending=0 pending=0 " || !s.Services[0].Served || s.Services[1].Served {
			t.Errorf("states %s", got)
		}
		p.set(dataplane.ServiceID{}, 0)
		time.Sleep(applier.LastRetry + time.Second)
		synctest.Wait()
		if s := r.status(); !s.Ready || states(s) != "up=1 up=1 up=0 " || told[len(told)-1] != "" {
			t.Errorf("ready %v, %q, states %s, told %q", s.Ready, s.Unready, states(s), told)
		}
		r.stop()
		synctest.Wait()
		if told[len(told)-1] != "shunt is stopping" {
			t.Errorf("told %q", told)
		}
	})
}

// A refusingPlane applies all services but one, which takes its time and fails.
type refusingPlane struct {
	*plane
	refused dataplane.ServiceID
	slow    time.Duration
}

func (p *refusingPlane) set(refused dataplane.ServiceID, slow time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused, p.slow = refused, slow
}

func (p *refusingPlane) Apply(ctx context.Context, v dataplane.VirtualService) error {
	p.mu.Lock()
	refused, slow := p.refused == v.ID, p.slow
	p.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	if refused {
		return errors.New("address already in use")
	}
	return p.plane.Apply(ctx, v)
}

// While the dataplane takes its time, status waits a grace for it, so that what
// is up is served, and tells what is true when the grace is over.
func TestStatusWaitsForTheDataplane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		r := newFixture(t, conf(v))
		p := &refusingPlane{plane: r.plane, slow: applyWait / 2}
		r.applyTo(p)
		r.start()
		defer r.stop()
		for range 100 {
			if s := r.status(); s.Services[0].Servers[0].State == Up && r.plane.now(v) != vip+": "+rs1+"=1" {
				t.Fatal("up is what is not served")
			}
			time.Sleep(10 * time.Millisecond)
		}
		if s := r.status(); !s.Ready {
			t.Errorf("not ready: %s", s.Unready)
		}
		p.set(dataplane.ServiceID{}, time.Minute)
		r.farm.set(rs1, "broken")
		time.Sleep(v.CheckInterval)
		begin := time.Now()
		s := r.status()
		if took := time.Since(begin); took != applyWait || s.Ready || !strings.HasSuffix(s.Unready, "tcp 10.0.0.100:80 is on its way to the dataplane") {
			t.Errorf("after %v: ready %v, %q", took, s.Ready, s.Unready)
		}
		p.set(dataplane.ServiceID{}, 0)
		time.Sleep(applier.CallTimeout + applier.LastRetry)
	})
}

// A service that is left out, because its own address is not known yet, is not
// served.
func TestNotReadyWithoutAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := conf(virtual(vip, rs1))
		left.LeftOut = 1
		r := newFixture(t, left).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		const want = "not served as wanted: 1 of 2 virtual services; a service that is left out waits for a name or a file that is missing"
		if s := r.status(); s.Ready || s.Unready != want {
			t.Errorf("ready %v, %q", s.Ready, s.Unready)
		}
		r.edit("found", conf(virtual(vip, rs1)), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := r.status(); !s.Ready {
			t.Errorf("not ready: %s", s.Unready)
		}
	})
}
