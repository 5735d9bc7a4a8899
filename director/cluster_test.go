package director

import (
	"errors"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/monitorfile"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

var (
	t0     = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	errBad = errors.New("connect: connection refused")
)

// A replay drives a cluster with events and compares its effects.
type replay struct {
	t   *testing.T
	c   *cluster
	out *effectLog
	now time.Time
}

func newReplay(t *testing.T, conf *config.Config) *replay {
	out := &effectLog{}
	r := &replay{t: t, c: newCluster(out, quiet()), out: out, now: t0}
	r.c.configure(r.now, conf, nil)
	return r
}

// result lets the checks of the real server at addr end with err, in every
// service that has it.
func (r *replay) result(addr string, err error) {
	r.t.Helper()
	r.now = r.now.Add(time.Second)
	done := map[spec.ID]bool{}
	for id, members := range r.c.checkedBy {
		if members[0].s.conf.Addr.String() == addr && !done[id] {
			done[id] = true
			r.c.checked(id, prober.Result{At: r.now, Err: err})
			r.c.catchUp()
		}
	}
	if len(done) == 0 {
		r.t.Fatalf("no probe checks %s", addr)
	}
}

func (r *replay) up(addr string, want ...string) {
	r.t.Helper()
	r.result(addr, nil)
	r.out.want(r.t, addr+" succeeds", want...)
}

func (r *replay) down(addr string, want ...string) {
	r.t.Helper()
	r.result(addr, errBad)
	r.out.want(r.t, addr+" fails", want...)
}

const (
	rs1 = "192.168.80.110:80"
	rs2 = "192.168.80.120:80"
	vip = "10.0.0.100:80"
)

// Two servers fail and return, as in every guide.
func TestStory(t *testing.T) {
	for name, tt := range map[string]struct {
		quiescent bool
		want      [5]string
	}{
		"quiescent=no": {false, [5]string{
			"apply 10.0.0.100:80: 192.168.80.110:80=2 192.168.80.120:80=1",
			"apply 10.0.0.100:80: 192.168.80.120:80=1",
			"apply 10.0.0.100:80: 127.0.0.1:80=1",
			"apply 10.0.0.100:80: 192.168.80.110:80=2",
			"apply 10.0.0.100:80: 192.168.80.110:80=2 192.168.80.120:80=1",
		}},
		"quiescent=yes": {true, [5]string{
			"apply 10.0.0.100:80: 192.168.80.110:80=2 192.168.80.120:80=1",
			"apply 10.0.0.100:80: 192.168.80.110:80=0 192.168.80.120:80=1",
			"apply 10.0.0.100:80: 192.168.80.110:80=0 192.168.80.120:80=0 127.0.0.1:80=1",
			"apply 10.0.0.100:80: 192.168.80.110:80=2 192.168.80.120:80=0",
			"apply 10.0.0.100:80: 192.168.80.110:80=2 192.168.80.120:80=1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v := virtual(vip, rs1+" 2", rs2+" 1")
			v.Fallback, v.Quiescent = fallback("127.0.0.1:80"), tt.quiescent
			r := newReplay(t, conf(v))
			r.out.want(t, "start")
			r.up(rs1)
			r.up(rs2, tt.want[0])
			r.up(rs2)
			r.down(rs1, tt.want[1])
			r.down(rs2, tt.want[2])
			r.down(rs2)
			r.up(rs1, tt.want[3])
			r.up(rs2, tt.want[4])
		})
	}
}

// A check shared by three services counts once in each of them: all three
// lose the server with the same failure, the failurecount-th.
func TestFailureCountOfASharedCheck(t *testing.T) {
	var vs []config.Virtual
	for _, addr := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
		v := virtual(addr, rs1)
		v.FailureCount = 3
		vs = append(vs, v)
	}
	r := newReplay(t, conf(vs...))
	if len(r.c.checkedBy) != 1 {
		t.Fatalf("%d probes for one check", len(r.c.checkedBy))
	}
	r.out.take()
	r.up(rs1, "apply 10.0.0.1:80: "+rs1+"=1", "apply 10.0.0.2:80: "+rs1+"=1", "apply 10.0.0.3:80: "+rs1+"=1")
	r.down(rs1)
	r.down(rs1)
	r.down(rs1, "apply 10.0.0.1:80: ", "apply 10.0.0.2:80: ", "apply 10.0.0.3:80: ")
}

func TestRiseCount(t *testing.T) {
	v := virtual(vip, rs1)
	v.RiseCount = 2
	r := newReplay(t, conf(v))
	r.out.take()
	r.up(rs1)
	r.down(rs1)
	r.up(rs1)
	r.up(rs1, "apply 10.0.0.100:80: "+rs1+"=1")
}

// Sections that differ in how they check do not share a check; those that
// differ in what a check of the service does not use do.
func TestProbesAreToldApart(t *testing.T) {
	login := func(v *config.Virtual) { v.Login = "x" }
	for _, c := range []struct {
		name, service string
		change        func(*config.Virtual)
		probes        int
	}{
		{"method", "http", func(v *config.Virtual) { v.HTTPMethod = "HEAD" }, 2},
		{"timeout", "http", func(v *config.Virtual) { v.NegotiateTimeout++ }, 2},
		{"login", "pop", login, 2},
		{"unused login", "http", login, 1},
		{"request", "http", func(v *config.Virtual) { v.Reals = []config.Real{v.Reals[0]}; v.Reals[0].Request = "/x" }, 2},
		{"unused request", "smtp", func(v *config.Virtual) { v.Reals = []config.Real{v.Reals[0]}; v.Reals[0].Request = "/x" }, 1},
		{"interval", "http", func(v *config.Virtual) { v.CheckInterval++ }, 2},
		{"type", "http", func(v *config.Virtual) { v.CheckType = config.CheckConnect }, 2},
	} {
		base, other := virtual("10.0.0.1:80", rs1), virtual("10.0.0.2:80", rs1)
		for _, v := range []*config.Virtual{&base, &other} {
			v.CheckType, v.Service = config.CheckNegotiate, c.service
		}
		c.change(&other)
		if r := newReplay(t, conf(base, other)); len(r.c.checkedBy) != c.probes {
			t.Errorf("%s: %d probes, want %d", c.name, len(r.c.checkedBy), c.probes)
		}
	}
}

// At a start nothing flaps: the fallback answers, and its command hears of it,
// only once the checks have decided.
func TestFallbackCommand(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.Fallback, v.FallbackCommand = fallback("sorry"), "/bin/notify"
	v.EmailAlert = []string{"ops@example.test"}
	r := newReplay(t, conf(v))
	r.out.want(t, "start")
	r.down(rs1)
	r.down(rs2,
		"mail starting ops@example.test: Added fallback server: sorry (10.0.0.100:80) (Weight set to 1)",
		"/bin/notify start",
		"apply 10.0.0.100:80: sorry=1")
	r.up(rs1,
		"mail starting ops@example.test: Added real server: 192.168.80.110:80 (10.0.0.100:80) (Weight set to 1)",
		"mail starting ops@example.test: Deleted fallback server: sorry (10.0.0.100:80)",
		"/bin/notify stop",
		"apply 10.0.0.100:80: 192.168.80.110:80=1")
	r.up(rs2,
		"mail starting ops@example.test: Added real server: 192.168.80.120:80 (10.0.0.100:80) (Weight set to 1)",
		"apply 10.0.0.100:80: 192.168.80.110:80=1 192.168.80.120:80=1")
}

func TestStop(t *testing.T) {
	cut, keep := virtual("10.0.0.1:80", rs1), virtual("10.0.0.2:80", rs1)
	cut.FallbackCommand, keep.CleanStop = "/bin/notify", false
	r := newReplay(t, conf(cut, keep))
	r.down(rs1, "/bin/notify start", "apply 10.0.0.1:80: ", "apply 10.0.0.2:80: ")
	if kept := r.c.stop(r.now); len(kept) != 1 || kept[0].conf.ID != keep.ID {
		t.Errorf("kept %v", kept)
	}
	r.out.want(t, "stop", "/bin/notify stop", "remove 10.0.0.1:80")
}

// A fallback that is one of the real servers leaves that server's weight as it is.
func TestFallbackEqualToRealServer(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.Fallback, v.Quiescent = fallback(rs1), true
	r := newReplay(t, conf(v))
	r.down(rs1)
	r.down(rs2, "apply 10.0.0.100:80: "+rs1+"=1 "+rs2+"=0")
	r.up(rs1) // nothing changes for the dataplane
	r.down(rs1)
	r.up(rs2, "apply 10.0.0.100:80: "+rs1+"=0 "+rs2+"=1")
	r.up(rs1, "apply 10.0.0.100:80: "+rs1+"=1 "+rs2+"=1")
}

// A service whose own address is its fallback asks for just that: it is for the
// dataplane to say what it makes of it.
func TestFallbackEqualToService(t *testing.T) {
	v := virtual("127.0.0.1:80", rs1)
	v.Fallback = fallback("127.0.0.1:80")
	newReplay(t, conf(v)).down(rs1, "apply 127.0.0.1:80: 127.0.0.1:80=1")

	v = virtual("0.0.0.0:80", rs1)
	v.Fallback = fallback("127.0.0.1:80")
	newReplay(t, conf(v)).down(rs1, "apply 0.0.0.0:80: 127.0.0.1:80=1")
}

// Direct routing cannot change ports: traffic, quiescing and restoring all
// speak of the service's port, the check alone of the configured one.
func TestPortRule(t *testing.T) {
	v := virtual(vip, "192.168.80.110:8080", "192.168.80.120:8080")
	v.Quiescent, v.Reals[0].Forward, v.Reals[1].Forward = true, dataplane.Gate, dataplane.Masq
	r := newReplay(t, conf(v))
	r.down("192.168.80.110:8080")
	r.down("192.168.80.120:8080", "apply 10.0.0.100:80: 192.168.80.110:80=0 192.168.80.120:8080=0")
	if a := r.c.services[0].servers[0].checks[0].Addr(); a.Port() != 8080 {
		t.Errorf("the check goes to %s", a)
	}
	r.up("192.168.80.110:8080", "apply 10.0.0.100:80: 192.168.80.110:80=1 192.168.80.120:8080=0")
	r.down("192.168.80.110:8080", "apply 10.0.0.100:80: 192.168.80.110:80=0 192.168.80.120:8080=0")
	r.up("192.168.80.110:8080", "apply 10.0.0.100:80: 192.168.80.110:80=1 192.168.80.120:8080=0")
}

// A firewall mark has the fallback that its configuration says.
func TestFallbackOfAMark(t *testing.T) {
	v := virtual(vip, rs1)
	v.ID = dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5}
	v.Fallback = fallback("127.0.0.1:0")
	r := newReplay(t, conf(v))
	r.result(rs1, errBad)
	if got := r.c.services[0].asked.RealServers; len(got) != 1 || got[0].Addr != netip.MustParseAddrPort("127.0.0.1:0") {
		t.Errorf("real servers %v", got)
	}
}

// Servers that are well but have weight 0 serve nobody: the fallback stays.
func TestWeightZeroIsNotUsable(t *testing.T) {
	v := virtual(vip, rs1+" 0")
	v.Fallback = fallback("sorry")
	r := newReplay(t, conf(v))
	r.out.take()
	r.up(rs1, "apply 10.0.0.100:80: "+rs1+"=0 sorry=1")
}

func TestCheckTypeOnAndOff(t *testing.T) {
	on, off := virtual("10.0.0.1:80", rs1), virtual("10.0.0.2:80", rs1)
	on.CheckType, off.CheckType = config.CheckOn, config.CheckOff
	on.Fallback, off.Fallback = fallback("sorry"), fallback("sorry")
	off.Quiescent = true
	r := newReplay(t, conf(on, off))
	r.out.want(t, "start", "apply 10.0.0.1:80: "+rs1+"=1", "apply 10.0.0.2:80: "+rs1+"=0")
	if !r.c.settled() {
		t.Error("services without checks are not settled")
	}
}

// Real servers found with a weight are up until a check says otherwise. A service that
// was found stays as it is until each of them is known to be up or down.
func TestAdopt(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.FailureCount = 2
	out := &effectLog{}
	c := newCluster(out, quiet())
	c.configure(t0, conf(v), []dataplane.VirtualService{{
		ID: v.ID, RealServers: []dataplane.RealServer{
			{Addr: netip.MustParseAddrPort(rs1), Weight: 3}, {Addr: netip.MustParseAddrPort(rs2), Weight: 0},
		},
	}})
	r := &replay{t: t, c: c, out: out, now: t0}
	out.want(t, "start")
	r.down(rs2)
	r.down(rs1, "apply 10.0.0.100:80: "+rs1+"=1")
	r.down(rs1, "apply 10.0.0.100:80: ")
}

func TestMaintenance(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.FailureCount = 3
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.out.take()
	orders{r.c}.maintain(r.now, map[string]string{rs1: "192.168.80.110"})
	r.out.want(t, "file appears", "apply 10.0.0.100:80: "+rs2+"=1")
	r.up(rs1) // a good check does not end maintenance
	orders{r.c}.maintain(r.now, map[string]string{})
	r.out.want(t, "file goes", "apply 10.0.0.100:80: "+rs1+"=1 "+rs2+"=1")
	orders{r.c}.maintain(r.now, map[string]string{rs1: "192.168.80.110"})
	r.out.want(t, "file appears again", "apply 10.0.0.100:80: "+rs2+"=1")
	for range v.FailureCount { // its checks go on: it is known to be down when the file goes
		r.down(rs1)
	}
	orders{r.c}.maintain(r.now, map[string]string{})
	r.out.want(t, "file goes from a server that is down")
	if s := r.c.services[0].servers[0]; s.state() != Down || s.cause != "maintenance file is gone; "+errBad.Error() {
		t.Errorf("%s: %s", s.state(), s.cause)
	}
	r.up(rs1, "apply 10.0.0.100:80: "+rs1+"=1 "+rs2+"=1")
}

// The state of a server survives a reload that does not concern the server.
func TestReloadKeepsHealth(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.FailureCount = 2
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.result(rs2, errBad)
	r.out.take()

	next := virtual(vip, rs1+" 5", rs2, "192.168.80.130:80")
	next.FailureCount = 2
	r.c.configure(r.now, conf(next), nil)
	r.out.want(t, "reload", "apply 10.0.0.100:80: "+rs1+"=5 "+rs2+"=1")
	r.down(rs2, "apply 10.0.0.100:80: "+rs1+"=5") // the failure before the reload counts

	changed := virtual(vip, rs1+" 5", rs2)
	changed.CheckType, changed.FailureCount = config.CheckNegotiate, 2
	r.c.configure(r.now, conf(changed), nil)
	r.out.want(t, "another check takes no server out")
	r.down(rs1)
	r.down(rs1, "apply 10.0.0.100:80: ")
}

func TestReloadRemovesServices(t *testing.T) {
	a, b := virtual("10.0.0.1:80", rs1), virtual("10.0.0.2:80", rs1)
	b.CleanStop = false
	r := newReplay(t, conf(a, b))
	r.out.take()
	r.c.configure(r.now, conf(a), nil)
	r.out.want(t, "reload", "remove 10.0.0.2:80")
}

func TestReminders(t *testing.T) {
	v := virtual(vip, rs1)
	v.EmailAlert, v.EmailAlertFreq = []string{"ops@example.test"}, time.Minute
	v.EmailAlertStatus = config.AlertRunning
	r := newReplay(t, conf(v))
	r.c.reports.alerts.phase = config.AlertRunning
	r.result(rs1, nil)
	r.out.take()
	r.down(rs1, "mail running ops@example.test: Deleted real server: 192.168.80.110:80 (10.0.0.100:80)", "apply 10.0.0.100:80: ")
	reminder := "mail running ops@example.test: Inaccessible real server: 192.168.80.110:80 (10.0.0.100:80)"
	r.c.tick(r.now.Add(59 * time.Second))
	r.out.want(t, "59 s later")
	r.c.tick(r.now.Add(60 * time.Second))
	r.out.want(t, "60 s later", reminder)
	r.c.tick(r.now.Add(119 * time.Second))
	r.out.want(t, "119 s later")
	r.c.tick(r.now.Add(120 * time.Second))
	r.out.want(t, "120 s later", reminder)
	r.result(rs1, nil)
	r.out.take()
	r.c.tick(r.now.Add(time.Hour))
	r.out.want(t, "after recovery")
}

// No mail in a state that emailalertstatus leaves out.
func TestMailStates(t *testing.T) {
	v := virtual(vip, rs1)
	v.EmailAlert, v.EmailAlertStatus = []string{"ops@example.test"}, config.AlertRunning|config.AlertStopping
	r := newReplay(t, conf(v))
	r.out.take()
	r.up(rs1, "apply 10.0.0.100:80: "+rs1+"=1")
}

func TestMonitorFile(t *testing.T) {
	v := virtual(vip, rs1)
	v.CheckType, v.Service, v.MonitorFile = config.CheckNegotiate, "http", "/var/log/m"
	v.Reals[0].Request = "/x"
	r := newReplay(t, conf(v))
	r.out.take()
	r.result(rs1, errors.New("status 500|50%\n")) //nolint:revive // the newline is the point
	got := r.out.take()[:1]
	stamp := r.now.Local().Format(monitorfile.TimeLayout)
	want := "monitor /var/log/m: [" + stamp + "] [" + strconv.Itoa(os.Getpid()) + "] negotiate http tcp 192.168.80.110 80 1 masq /x [down] status 500%7c50%25%0a\n"
	if got[0] != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestRecentTransitionsAreBounded(t *testing.T) {
	r := newReplay(t, conf(virtual(vip, rs1)))
	for range maxTransitions {
		r.result(rs1, nil)
		r.result(rs1, errBad)
	}
	if n := len(r.c.reports.history.recent); n != maxTransitions {
		t.Fatalf("%d transitions kept", n)
	}
	if last := r.c.reports.history.recent[maxTransitions-1]; last.To != Down || last.Cause != errBad.Error() {
		t.Errorf("last transition %+v", last)
	}
}
