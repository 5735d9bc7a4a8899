package director

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/applier"
	"github.com/shunt-lb/shunt/director/internal/statefile"
)

// fakeChecks give the real servers the results that a test sets.
type fakeChecks struct {
	mu    sync.Mutex
	state map[string]string // "" well, "hang", else the error
	runs  map[string][]time.Time
	names []string
	now   int
	most  int
}

func newFakeChecks() *fakeChecks {
	return &fakeChecks{state: map[string]string{}, runs: map[string][]time.Time{}}
}

func (f *fakeChecks) set(addr, state string) {
	f.mu.Lock()
	f.state[addr] = state
	f.mu.Unlock()
}

// count is how often addr has been checked.
func (f *fakeChecks) count(addr string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.runs[addr])
}

func (f *fakeChecks) find(name string) (checks.Func, bool) {
	return func(ctx context.Context, t checks.Target) error { return f.check(ctx, name, t) }, true
}

func (f *fakeChecks) check(ctx context.Context, name string, t checks.Target) error {
	f.mu.Lock()
	addr := t.Addr.String()
	f.runs[addr] = append(f.runs[addr], time.Now())
	f.names = append(f.names, name)
	f.now++
	f.most = max(f.most, f.now)
	state := f.state[addr]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	switch state {
	case "":
		return nil
	case "hang":
		<-ctx.Done()
		return fmt.Errorf("connect %s: timed out", addr)
	case "panic":
		panic("oops")
	case "no descriptor":
		return fmt.Errorf("connect %s: %w", addr, unix.EMFILE)
	}
	return errors.New(state)
}

// A fixture is a running director over a plane and fake checks, with a file on disk
// whose text only has to change: what it parses to is in next.
type fixture struct {
	*Director
	t         *testing.T
	plane     *plane
	farm      *fakeChecks
	findCheck func(name string) (checks.Func, bool) // by default of farm
	path      string
	mu        sync.Mutex
	next      *config.Config
	err       error
}

func newFixture(t *testing.T, c *config.Config) *fixture {
	r := &fixture{t: t, plane: newPlane(), farm: newFakeChecks(), path: filepath.Join(t.TempDir(), "test.cf"), next: c}
	r.findCheck = r.farm.find
	r.write("first")
	r.Director = New(Options{
		Path: r.path, Dataplane: r.plane, Checks: func(name string) (checks.Func, bool) { return r.findCheck(name) }, MaxChecks: 4096,
		Parse: func(context.Context, *config.Source) (*config.Config, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.next, r.err
		},
	})
	return r
}

func (r *fixture) start() *fixture {
	r.t.Helper()
	if err := r.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *fixture) stop() {
	r.t.Helper()
	if err := r.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

func (r *fixture) write(text string) {
	r.t.Helper()
	writeFile(r.t, r.path, text)
}

// edit changes the file and what it means, when nobody looks at it.
func (r *fixture) edit(text string, c *config.Config, err error) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	r.next, r.err = c, err
	r.mu.Unlock()
	r.write(text)
}

func (r *fixture) want(v config.Virtual, want string) {
	r.t.Helper()
	synctest.Wait()
	if got := r.plane.now(v); got != want {
		r.t.Fatalf("served %q, want %q", got, want)
	}
}

func (r *fixture) status() Status {
	r.t.Helper()
	s, err := r.Status(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// many returns n real servers, and a service with all of them that checks
// each every second within 3 seconds.
func many(n int) (config.Virtual, []string) {
	v := virtual(vip)
	v.CheckInterval, v.FastInterval, v.DownInterval = time.Second, time.Second, time.Second
	v.CheckTimeout = 3 * time.Second
	var addrs []string
	for i := range n {
		addrs = append(addrs, fmt.Sprintf("10.1.%d.%d:80", i/250, i%250+1))
		v.Reals = append(v.Reals, realServer(addrs[i]))
	}
	return v, addrs
}

// With 1,000 real servers of which 500 hang, one that dies is out of use
// within one checkinterval plus one checktimeout, whichever it is and however
// it dies.
func TestDetectionTime(t *testing.T) {
	for _, death := range []string{"connect: connection refused", "hang"} {
		synctest.Test(t, func(t *testing.T) {
			v, addrs := many(1000)
			r := newFixture(t, conf(v))
			for _, a := range addrs[500:] {
				r.farm.set(a, "hang")
			}
			r.start()
			defer r.stop()
			time.Sleep(v.CheckTimeout + v.CheckInterval)
			victims := []int{0, 17, 250, 499}
			begin := time.Now()
			after := func(i int) time.Duration { return time.Duration(i*137) * time.Millisecond }
			for i, victim := range victims {
				time.Sleep(time.Until(begin.Add(after(i))))
				r.farm.set(addrs[victim], death)
			}
			for i, victim := range victims {
				time.Sleep(time.Until(begin.Add(after(i) + v.CheckInterval + v.CheckTimeout)))
				synctest.Wait()
				s := r.status().Services[0].Servers
				if s[victim].State != Down {
					t.Errorf("%s: server %d is %s", death, victim, s[victim].State)
				}
				if s[1].State != Up {
					t.Errorf("a server that is well is %s: %s", s[1].State, s[1].Cause)
				}
			}
		})
	}
}

// Every server is checked once an interval, not all at the same grace, and a
// check in several services runs once.
func TestChecksAreSpreadAndShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, addrs := many(200)
		w := v
		w.ID.Addr = realServer("10.0.0.101:80").Addr
		r := newFixture(t, conf(v, w)).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.farm.mu.Lock()
		r.farm.runs = map[string][]time.Time{}
		r.farm.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		checkSpread(t, r.farm, addrs)
	})
}

func checkSpread(t *testing.T, f *fakeChecks, addrs []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var perTenth [10]int
	for _, a := range addrs {
		if n := len(f.runs[a]); n < 9 || n > 11 {
			t.Errorf("%s was checked %d times in 10 seconds", a, n)
			continue
		}
		perTenth[f.runs[a][0].Nanosecond()/1e8]++
	}
	for i, n := range perTenth {
		if n < 5 || n > 45 {
			t.Errorf("%d of 200 checks in tenth %d of the second", n, i)
		}
	}
}

func TestChecksInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, addrs := many(50)
		r := newFixture(t, conf(v))
		r.o.MaxChecks = 8
		for _, a := range addrs {
			r.farm.set(a, "hang")
		}
		r.start()
		defer r.stop()
		time.Sleep(time.Minute)
		r.farm.mu.Lock()
		defer r.farm.mu.Unlock()
		if r.farm.most != 8 {
			t.Errorf("%d checks at once, want 8", r.farm.most)
		}
	})
}

// checktype=3: a negotiation, then three connects; any failure makes the next
// one a negotiation.
func TestCombinedCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		v.CheckType, v.CombinedN = config.CheckCombined, 3
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(75 * time.Second)
		synctest.Wait()
		r.farm.set(rs1, "broken")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.farm.mu.Lock()
		defer r.farm.mu.Unlock()
		got := ""
		for _, n := range r.farm.names {
			got += n[:1]
		}
		if !strings.HasPrefix(got, "hccchccc") || !strings.HasSuffix(got, "ch") && !strings.HasSuffix(got, "hh") {
			t.Errorf("checks %s (h negotiates http, c connects)", got)
		}
	})
}

func TestPanickingCheckIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		r := newFixture(t, conf(v))
		r.farm.set(rs1, "panic")
		r.start()
		defer r.stop()
		time.Sleep(15 * time.Second)
		r.want(v, vip+": "+rs2+"=1")
	})
}

func TestPaceFollowsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		v.CheckInterval, v.FastInterval, v.DownInterval = 10*time.Second, time.Second, 60*time.Second
		v.FailureCount = 3
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(30 * time.Second)
		r.farm.set(rs1, "broken")
		// One interval until the first failure, then two fast ones.
		time.Sleep(12 * time.Second)
		r.want(v, vip+": ")
		n := r.farm.count(rs1)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if more := r.farm.count(rs1) - n; more > 1 {
			t.Errorf("%d checks of a server that is down in 50 s with downinterval 60", more)
		}
	})
}

func TestApplyIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		r := newFixture(t, conf(v))
		r.plane.setFail(errors.New("address in use"))
		r.start()
		defer r.stop()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := r.status().Services[0].Error; got != "address in use" {
			t.Errorf("status says %q", got)
		}
		r.plane.setFail(nil)
		time.Sleep(applier.LastRetry)
		r.want(v, vip+": "+rs1+"=1")
		if got := r.status().Services[0].Error; got != "" {
			t.Errorf("status still says %q", got)
		}
	})
}

// A check that this host could not make says nothing about a real server.
func TestChecksThatCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		r := newFixture(t, conf(v))
		r.farm.set(rs2, "broken")
		r.start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.want(v, vip+": "+rs1+"=1")
		r.farm.set(rs1, "no descriptor")
		r.farm.set(rs2, "no descriptor")
		checked := r.farm.count(rs1)
		time.Sleep(3 * v.CheckInterval)
		r.want(v, vip+": "+rs1+"=1")
		if r.farm.count(rs1) < checked+2 {
			t.Error("checks have ended")
		}
		r.farm.set(rs1, "broken")
		r.farm.set(rs2, "")
		time.Sleep(v.CheckInterval + v.CheckTimeout)
		r.want(v, vip+": "+rs2+"=1")
	})
}

func TestDriftIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(time.Second)
		for i, meddle := range []map[string]int{nil, {}, {rs1: 0}, {rs1: 7}} {
			r.plane.changeElsewhere(v.ID, meddle)
			time.Sleep(applier.AuditPeriod + time.Second)
			r.want(v, vip+": "+rs1+"=1")
			if n := r.status().Dataplane.Repairs; n != uint64(i+1) {
				t.Errorf("%d repairs, want %d", n, i+1)
			}
		}
	})
}

// Status shows the weights in force, which may differ from those asked for.
func TestStatusShowsWhatIsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1+" 3", rs2)
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(time.Second)
		for _, c := range []struct {
			meddle map[string]int
			want   [2]int
		}{
			{map[string]int{rs1: 0, rs2: 1}, [2]int{0, 1}},
			{map[string]int{rs1: 9, rs2: 2}, [2]int{9, 2}},
			{map[string]int{rs2: 1}, [2]int{0, 1}},
			{nil, [2]int{}},
		} {
			r.plane.changeElsewhere(v.ID, c.meddle)
			st := r.status()
			s := st.Services[0].Servers
			if got := [2]int{s[0].Current, s[1].Current}; got != c.want {
				t.Errorf("%v: weights %v, want %v", c.meddle, got, c.want)
			}
			if (s[0].State == Up) != (c.want[0] > 0) || st.Ready || !strings.Contains(st.Unready, "was changed by somebody else") {
				t.Errorf("%v: a server of weight %d is %s; ready %v, %q", c.meddle, c.want[0], s[0].State, st.Ready, st.Unready)
			}
			time.Sleep(applier.AuditPeriod + time.Second)
			if st = r.status(); !st.Ready {
				t.Errorf("%v: put right and not ready: %s", c.meddle, st.Unready)
			}
			s = st.Services[0].Servers
			if got := [2]int{s[0].Current, s[1].Current}; got != [2]int{3, 1} {
				t.Errorf("%v: put right, weights %v", c.meddle, got)
			}
		}
	})
}

// stuckAudit is a dataplane that takes long to say what has changed.
type stuckAudit struct{ *plane }

func (s stuckAudit) Audit(ctx context.Context) ([]dataplane.Drift, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// No request waits for an audit.
func TestAuditHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlane()
		a := applier.New(stuckAudit{p}, func(context.Context, dataplane.ServiceID, *dataplane.VirtualService, error) {}, quiet())
		a.Start()
		defer func() { a.Cancel(); a.Wait() }()
		time.Sleep(applier.AuditPeriod + time.Second)
		v := virtual(vip, rs1)
		begin := time.Now()
		a.Apply(newService(&v).wanted())
		synctest.Wait()
		if p.now(v) == "" || time.Since(begin) > 0 {
			t.Errorf("applied %q after %v", p.now(v), time.Since(begin))
		}
	})
}

// TestJoin: a line about one service is bounded.
func TestJoin(t *testing.T) {
	many := make([]string, 1000)
	for i := range many {
		many[i] = "real server [fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 has forwarding method gate instead of masq"
	}
	if got := applier.Join(many); len(got) > 2048 || !strings.HasSuffix(got, "; and 992 more") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	if got := applier.Join([]string{"a", "b"}); got != "a; b" {
		t.Errorf("got %q", got)
	}
}

// A bad edit changes only the status; its correction is put in force.
func TestAutoReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		c := conf(v)
		c.Global.AutoReload = true
		r := newFixture(t, c).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.edit("second", nil, config.Problems{{Severity: config.Error, Pos: config.Pos{File: "test.cf", Line: 7}, Text: "nonsense"}})
		time.Sleep(3 * time.Second)
		r.want(v, vip+": "+rs1+"=1")
		if s := r.status().Config; s.ReloadError != "test.cf:7: error: nonsense" || s.ReloadFailures != 1 {
			t.Errorf("status %+v", s)
		}
		// The old configuration is not only kept but alive.
		r.farm.set(rs1, "broken")
		time.Sleep(v.CheckInterval + v.CheckTimeout)
		r.want(v, vip+": ")
		r.farm.set(rs1, "")
		time.Sleep(v.CheckInterval + v.CheckTimeout)
		r.want(v, vip+": "+rs1+"=1")
		next := virtual(vip, rs1+" 7")
		r.edit("third", conf(next), nil)
		time.Sleep(3 * time.Second)
		r.want(v, vip+": "+rs1+"=7")
		if s := r.status().Config; s.ReloadError != "" || s.Reloads != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

// A file without services takes none away by itself, whatever becomes of it
// afterwards, and does when somebody says so.
func TestAutoReloadOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		c := conf(v)
		c.Global.AutoReload = true
		r := newFixture(t, c).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.edit("empty", conf(), nil)
		time.Sleep(time.Minute)
		r.want(v, vip+": "+rs1+"=1")
		if s := r.status().Config; s.ReloadFailures != 1 || !strings.Contains(s.ReloadError, "there is no virtual service in it") {
			t.Errorf("status %+v", s)
		}
		next := conf(virtual(vip, rs1+" 7"))
		next.Global.AutoReload = true
		r.edit("complete", next, nil)
		time.Sleep(3 * time.Second)
		r.want(v, vip+": "+rs1+"=7")
		r.edit("empty", conf(), nil)
		if err := r.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		if s := r.status(); len(s.Services) != 0 {
			t.Errorf("%d services are left", len(s.Services))
		}
	})
}

func TestNoAutoReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.edit("second", conf(virtual(vip, rs1+" 7")), nil)
		time.Sleep(5 * time.Second)
		r.want(v, vip+": "+rs1+"=1")
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.want(v, vip+": "+rs1+"=7")
	})
}

// A file that is gone, even for long, changes nothing.
func TestFileGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		c := conf(v)
		c.Global.AutoReload = true
		r := newFixture(t, c).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		if err := os.Remove(r.path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		r.want(v, vip+": "+rs1+"=1")
		r.edit("back", conf(virtual(vip, rs1+" 3")), nil)
		time.Sleep(3 * time.Second)
		r.want(v, vip+": "+rs1+"=3")
	})
}

func TestMaintenanceDir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		c := conf(v)
		c.Global.MaintenanceDir = t.TempDir()
		r := newFixture(t, c).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		file := filepath.Join(c.Global.MaintenanceDir, "192.168.80.110:80")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maintenancePeriod)
		r.want(v, vip+": "+rs2+"=1")
		n := r.farm.count(rs1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.farm.count(rs1) < n+5 {
			t.Error("a server in maintenance is not checked")
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maintenancePeriod)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=1")
	})
}

func TestStopDoesWhatCleanstopSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut, keep := virtual("10.0.0.1:80", rs1), virtual("10.0.0.2:80", rs1)
		keep.CleanStop, keep.DrainTimeout = false, 5*time.Second
		r := newFixture(t, conf(cut, keep)).start()
		time.Sleep(2 * time.Second)
		begin := time.Now()
		r.stop()
		if took := time.Since(begin); took != keep.DrainTimeout {
			t.Errorf("stop took %v, draintimeout is %v", took, keep.DrainTimeout)
		}
		if len(r.plane.served) != 1 || !r.plane.drained {
			t.Errorf("left: %v, drained %v", r.plane.served, r.plane.drained)
		}
		if _, err := r.Status(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("status after stop: %v", err)
		}
	})
}

// Checks that hang delay neither a stop nor a reload.
func TestHangingChecksHoldUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, addrs := many(20)
		v.CheckTimeout = time.Hour
		r := newFixture(t, conf(v))
		for _, a := range addrs {
			r.farm.set(a, "hang")
		}
		r.start()
		time.Sleep(10 * time.Second)
		begin := time.Now()
		if err := r.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		r.stop()
		if took := time.Since(begin); took != 0 {
			t.Errorf("reload and stop took %v", took)
		}
	})
}

func TestStartWithABadFile(t *testing.T) {
	r := newFixture(t, nil)
	r.err = config.Problems{{Severity: config.Error, Text: "bad"}}
	if err := r.Start(t.Context()); err == nil || err.Error() != "error: bad" {
		t.Errorf("start: %v", err)
	}
	if len(r.plane.trace) != 0 {
		t.Errorf("the dataplane was touched: %v", r.plane.trace)
	}
}

func TestStatusCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		v.Fallback, v.ServiceName = fallback("sorry"), "shop"
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s := r.status()
		sv := s.Services[0]
		if !s.Ready || sv.Name != "shop" || sv.Fallback != "sorry" || sv.FallbackActive || sv.Check != "connect" {
			t.Errorf("status %+v", sv)
		}
		if sv.Servers[0].Active != 1 || sv.Servers[1].Active != 2 || sv.Servers[0].ChecksOK == 0 {
			t.Errorf("servers %+v", sv.Servers)
		}
		if len(s.Transitions) != 2 || s.Transitions[0].To != Up {
			t.Errorf("transitions %+v", s.Transitions)
		}
	})
}

var _ dataplane.Dataplane = (*plane)(nil)

// applyTo replaces the dataplane of the applier, before the start.
func (r *fixture) applyTo(p dataplane.Dataplane) {
	r.applier = applier.New(p, r.applied, r.log)
	r.cluster.out = executor{r.applier, r.hooks, r.o.Mail, nil, r.record, r.log, func() *statefile.Writer { return r.state }}
}
