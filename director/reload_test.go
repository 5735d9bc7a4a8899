package director

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// reload puts another configuration in force.
func (r *replay) reload(vs ...config.Virtual) {
	r.now = r.now.Add(time.Second)
	r.c.configure(r.now, conf(vs...), nil)
}

// With checktype=off real servers stay in use or out of it, with on every one
// is in use, whatever the checks before have found.
func TestReloadToAndFromNoChecks(t *testing.T) {
	const in, out, stays = "apply 10.0.0.100:80: " + rs1 + "=1", "apply 10.0.0.100:80: ", ""
	of := func(kind config.CheckType) config.Virtual {
		v := virtual(vip, rs1)
		v.CheckType = kind
		return v
	}
	for name, tt := range map[string]struct {
		from, to config.CheckType
		result   error // of the checks before
		want     string
	}{
		"up to off":   {config.CheckConnect, config.CheckOff, nil, stays},
		"down to off": {config.CheckConnect, config.CheckOff, errBad, stays},
		"on to off":   {config.CheckOn, config.CheckOff, nil, stays},
		"off to on":   {config.CheckOff, config.CheckOn, nil, in},
		"down to on":  {config.CheckConnect, config.CheckOn, errBad, in},
		"on to check": {config.CheckOn, config.CheckConnect, nil, stays},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplay(t, conf(of(tt.from)))
			if tt.from == config.CheckConnect {
				r.result(rs1, tt.result)
			}
			r.out.take()
			known := len(r.c.reports.history.recent)
			r.reload(of(tt.to))
			if tt.want == stays {
				r.out.want(t, "reload")
				r.reload(of(tt.to))
				r.out.want(t, "reload again")
				if tt.to == config.CheckConnect {
					r.down(rs1, out) // until the new check says otherwise
				}
				return
			}
			r.out.want(t, "reload", tt.want)
			if len(r.c.reports.history.recent) != known+1 || r.c.reports.history.recent[known].Cause != "checktype="+tt.to.String() {
				t.Errorf("transitions %+v", r.c.reports.history.recent[known:])
			}
		})
	}
}

// With checktype=off a start keeps what serves, with the configured weight:
// nobody else is there to say that it is not well. It puts nothing in use.
func TestAdoptWithChecksOff(t *testing.T) {
	for _, tt := range []struct {
		quiescent bool
		want      string
	}{
		{false, "apply 10.0.0.100:80: " + rs1 + "=1"},
		{true, "apply 10.0.0.100:80: " + rs1 + "=1 " + rs2 + "=0"},
	} {
		v := virtual(vip, rs1, rs2)
		v.CheckType, v.Fallback, v.Quiescent = config.CheckOff, fallback("sorry"), tt.quiescent
		r := &replay{out: &effectLog{}, now: t0}
		r.c = newCluster(r.out, quiet())
		r.c.configure(t0, conf(v), []dataplane.VirtualService{{ID: v.ID, RealServers: []dataplane.RealServer{
			{Addr: netip.MustParseAddrPort(rs1), Weight: 7}, {Addr: netip.MustParseAddrPort(rs2)},
		}}})
		r.out.want(t, "start", tt.want)
		r.reload(v)
		r.out.want(t, "reload")
		orders{r.c}.maintain(r.now, map[string]string{rs1: "192.168.80.110"})
		r.out.want(t, "maintenance", strings.Replace(tt.want, rs1+"=1", map[bool]string{true: rs1 + "=0"}[tt.quiescent], 1))
		orders{r.c}.maintain(r.now, map[string]string{})
		r.out.want(t, "maintenance over", tt.want)
	}
}

// A service that changes its dataplane is asked for anew, whatever else is as
// it was: the change is not to wait until the next real server fails.
func TestReloadOfDataplane(t *testing.T) {
	v := virtual(vip, rs1)
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.out.take()
	r.reload(v)
	r.out.want(t, "reload of the same")
	v.Dataplane = "proxy"
	r.reload(v)
	r.out.want(t, "reload", "apply 10.0.0.100:80: "+rs1+"=1")
}

// A fallbackcommand that was told start is told stop by whatever takes it
// away; one that takes its place is told where things stand.
func TestReloadOfFallbackCommand(t *testing.T) {
	with := func(command string) config.Virtual {
		v := virtual(vip, rs1)
		v.FallbackCommand = command
		return v
	}
	for name, tt := range map[string]struct {
		next []config.Virtual
		want []string
	}{
		"the same": {[]config.Virtual{with("/bin/a")}, nil},
		"another":  {[]config.Virtual{with("/bin/b")}, []string{"/bin/a stop", "/bin/b start"}},
		"none":     {[]config.Virtual{with("")}, []string{"/bin/a stop"}},
		"no service": {
			[]config.Virtual{virtual("10.0.0.101:80", rs1)},
			[]string{"/bin/a stop", "remove 10.0.0.100:80"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplay(t, conf(with("/bin/a")))
			r.down(rs1, "/bin/a start", "apply 10.0.0.100:80: ")
			r.reload(tt.next...)
			r.out.want(t, "reload", tt.want...)
		})
	}
	r := newReplay(t, conf(with("/bin/a")))
	r.out.take()
	r.up(rs1, "/bin/a stop", "apply 10.0.0.100:80: "+rs1+"=1")
	r.reload(with("/bin/b"))
	r.out.want(t, "another while a server is up", "/bin/b stop")
}

// A fallback that a reload takes away is no longer said to answer.
func TestReloadOfFallback(t *testing.T) {
	with := func(f *config.Fallback) config.Virtual {
		v := virtual(vip, rs1)
		v.Fallback = f
		return v
	}
	r := newReplay(t, conf(with(fallback("sorry"))))
	r.result(rs1, errBad)
	r.reload(with(fallback("127.0.0.1:80")))
	r.reload(with(nil))
	r.reload(with(fallback("sorry")))
	var got []string
	for _, tr := range r.c.reports.history.recent {
		got = append(got, tr.Server+" "+string(tr.To)+": "+tr.Cause)
	}
	want := []string{
		"fallback sorry active: no real server is usable",
		"fallback sorry standby: the configuration no longer names it",
		"fallback 127.0.0.1:80 active: no real server is usable",
		"fallback 127.0.0.1:80 standby: the configuration no longer names it",
		"fallback sorry active: no real server is usable",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Reminders follow the configuration in force, and are sent about servers that
// have never been up too.
func TestReloadOfReminders(t *testing.T) {
	every := func(d time.Duration) config.Virtual {
		v := virtual(vip, rs1)
		v.EmailAlert, v.EmailAlertFreq = []string{"ops@example.test"}, d
		return v
	}
	reminder := "mail starting ops@example.test: Inaccessible real server: 192.168.80.110:80 (10.0.0.100:80)"
	r := newReplay(t, conf(every(time.Minute)))
	r.result(rs1, errBad)
	r.out.take()
	r.c.tick(r.now.Add(time.Minute))
	r.out.want(t, "down from the start", reminder)
	r.reload(every(0))
	r.c.tick(r.now.Add(time.Hour))
	r.out.want(t, "emailalertfreq = 0")
	r.reload(every(time.Minute))
	r.c.tick(r.now.Add(59 * time.Second))
	r.out.want(t, "59 s after emailalertfreq = 60")
	r.c.tick(r.now.Add(time.Minute))
	r.out.want(t, "60 s after emailalertfreq = 60", reminder)
}

// Mail reports servers that leave with a reload or a stop.
func TestPurgedMails(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.EmailAlert = []string{"ops@example.test"}
	other := virtual("10.0.0.101:80", rs1)
	other.EmailAlert = v.EmailAlert
	r := newReplay(t, conf(v, other))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.c.reports.alerts.phase = config.AlertReloading
	r.out.take()
	next := virtual(vip, rs1)
	next.EmailAlert = v.EmailAlert
	r.c.configure(r.now, conf(next), nil)
	r.out.want(t, "reload",
		"mail reloading ops@example.test: Purged real server (start): 192.168.80.120:80 (10.0.0.100:80)",
		"mail reloading ops@example.test: Purged real server (start): 192.168.80.110:80 (10.0.0.101:80)",
		"remove 10.0.0.101:80", "apply 10.0.0.100:80: "+rs1+"=1")
	r.c.stop(r.now)
	r.out.want(t, "stop",
		"mail stopping ops@example.test: Purged real server (stop): 192.168.80.110:80 (10.0.0.100:80)",
		"remove 10.0.0.100:80")
}

// A real server is logged as down from the start once, and not again when a reload
// changes the check of one that is down.
func TestDownFromTheStartIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	r := newReplay(t, conf(virtual(vip, rs1, rs2)))
	r.c.log = slog.New(slog.NewTextHandler(&log, nil))
	const fromTheStart, stays = "real server is down from the start", "real server stays down"
	expect := func(when, addr, want string) {
		t.Helper()
		r.result(addr, errBad)
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || !strings.Contains(got, addr) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
		log.Reset()
	}
	expect("first result", rs1, fromTheStart)
	v := virtual(vip, rs1, rs2)
	v.CheckTimeout = 4 * time.Second
	r.reload(v)
	log.Reset()
	expect("first result of another check", rs1, stays)
	expect("first result of a server that had none before the reload", rs2, fromTheStart)
}
