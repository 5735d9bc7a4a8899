package ipvs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// opened returns a dataplane over a fake.
func opened() (*Dataplane, *fake) {
	f := newFake()
	return withTable(f, slog.New(slog.DiscardHandler)), f
}

// two is a service with two real servers.
func two() dataplane.VirtualService {
	return dataplane.VirtualService{
		ID: web, Scheduler: "wrr",
		RealServers: []dataplane.RealServer{masq("10.9.1.1:8080", 2), masq("10.9.1.2:8080", 1)},
	}
}

func TestApplyProgramsEverything(t *testing.T) {
	v := func(id dataplane.ServiceID, change func(*dataplane.VirtualService)) dataplane.VirtualService {
		s := dataplane.VirtualService{ID: id, Scheduler: "rr"}
		change(&s)
		return s
	}
	gate := func(addr string) dataplane.RealServer {
		return dataplane.RealServer{Addr: netip.MustParseAddrPort(addr), Weight: 1}
	}
	for _, c := range []struct {
		service dataplane.VirtualService
		saved   string
	}{
		{two(), "-A -t 10.9.0.1:80 -s wrr\n-a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 2\n-a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 1\n"},
		{v(web, func(s *dataplane.VirtualService) { s.Persistent, s.PersistentBits = time.Minute, 32 }), "-A -t 10.9.0.1:80 -s rr -p 60\n"},
		{
			v(web, func(s *dataplane.VirtualService) { s.Persistent, s.PersistentBits = 1500*time.Millisecond, 25 }),
			"-A -t 10.9.0.1:80 -s rr -p 2 -M 255.255.255.128\n",
		},
		{v(web6, func(s *dataplane.VirtualService) { s.Persistent, s.PersistentBits = time.Minute, 64 }), "-A -t [fd00:9::1]:80 -s rr -p 60 -M 64\n"},
		{
			v(udp("10.9.0.1:53"), func(s *dataplane.VirtualService) {
				s.OnePacket = true
				s.RealServers = []dataplane.RealServer{gate("10.9.1.1:53")}
			}),
			"-A -u 10.9.0.1:53 -s rr -o\n-a -u 10.9.0.1:53 -r 10.9.1.1:53 -g -w 1\n",
		},
		{v(web, func(s *dataplane.VirtualService) { s.Scheduler = "sh" }), "-A -t 10.9.0.1:80 -s sh -b sh-fallback\n"},
		{v(web, func(s *dataplane.VirtualService) { s.Scheduler, s.SchedFlags = "mh", []string{"mh-port"} }), "-A -t 10.9.0.1:80 -s mh -b mh-fallback,mh-port\n"},
		{v(web, func(s *dataplane.VirtualService) { s.SchedFlags = []string{"flag-3", "flag-1"} }), "-A -t 10.9.0.1:80 -s rr -b flag-1,flag-3\n"},
		{
			v(mark(5), func(s *dataplane.VirtualService) {
				s.RealServers = []dataplane.RealServer{gate("10.9.1.1:0"), masq("10.9.1.2:8080", 1)}
			}),
			"-A -f 5 -s rr\n-a -f 5 -r 10.9.1.1:0 -g -w 1\n-a -f 5 -r 10.9.1.2:8080 -m -w 1\n",
		},
		{
			v(mark6(5), func(s *dataplane.VirtualService) { s.RealServers = []dataplane.RealServer{gate("[fd00::1]:0")} }),
			"-A -f 5 -6 -s rr\n-a -f 5 -6 -r [fd00::1]:0 -g -w 1\n",
		},
		{v(web, func(s *dataplane.VirtualService) {
			r := gate("[fd00::1]:80")
			r.Forward, r.Upper, r.Lower = dataplane.IPIP, 20, 10
			s.RealServers = []dataplane.RealServer{r}
		}), "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r [fd00::1]:80 -i -w 1 -x 20 -y 10\n"},
	} {
		d, f := opened()
		must(t, d.Apply(t.Context(), c.service))
		if diff := cmp.Diff(c.saved, f.String()); diff != "" {
			t.Errorf("table (-want +got):\n%s", diff)
		}
		before := d.Writes()
		must(t, d.Apply(t.Context(), c.service))
		if n := d.Writes() - before; n > 0 || uint64(f.writes) != before {
			t.Errorf("%v applied again: %d writes, the table has seen %d, want %d", c.service.ID, n, f.writes, before)
		}
		holds(t, d, c.service)
	}
}

// holds checks that Snapshot returns exactly what was applied.
func holds(t *testing.T, d *Dataplane, want ...dataplane.VirtualService) {
	t.Helper()
	all, err := d.Snapshot(t.Context())
	must(t, err)
	var got []dataplane.VirtualService
	for _, st := range all {
		got = append(got, st.Service)
	}
	equal := cmp.Comparer(func(a, b dataplane.VirtualService) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("Snapshot (-want +got):\n%s", diff)
	}
}

func TestSnapshotShowsWhatSomebodyElseHasChanged(t *testing.T) {
	d, f := opened()
	want := two()
	want.Persistent, want.PersistentBits, want.IdleTimeout = time.Minute, 24, time.Hour
	must(t, d.Apply(t.Context(), want))

	e := f.services[web]
	e.options = options{scheduler: "sh", flags: flagPersistent | flagSched1 | flagSched2, timeout: 99, netmask: netmask(false, 25)}
	e.servers[0].weight = 7
	e.servers[1].method = methodDirect
	e.servers = append(e.servers, serverEntry{server: rip, active: 1, inactive: 2, persistent: 3})
	e.servers[0].counters = dataplane.Counters{Connections: 1 << 40}
	e.counters = dataplane.Counters{InBytes: 1 << 50}
	slices.Reverse(e.servers)

	all, err := d.Snapshot(t.Context())
	must(t, err)
	changed := want.Clone()
	changed.Scheduler, changed.SchedFlags = "sh", []string{"sh-fallback", "sh-port"}
	changed.Persistent, changed.PersistentBits = 99*time.Second, 25
	changed.RealServers[0].Weight = 7
	changed.RealServers[1].Forward = dataplane.Gate
	changed.RealServers = append(changed.RealServers, masq("10.9.1.1:80", 1))
	status := []dataplane.ServiceStatus{{
		Service: changed, Counters: dataplane.Counters{InBytes: 1 << 50}, Lag: lag,
		Servers: []dataplane.ServerStatus{
			{RealServer: changed.RealServers[0], Counters: dataplane.Counters{Connections: 1 << 40}},
			{RealServer: changed.RealServers[1]},
			{RealServer: changed.RealServers[2], Active: 1, Inactive: 2, Persistent: 3},
		},
		Changes: []string{
			"scheduler sh instead of wrr", "flags of the scheduler sh-fallback,sh-port instead of none",
			"persistence 1m39s by 25 bits instead of 1m0s by 24 bits",
			"real server 10.9.1.2:8080 has forwarding method gate instead of masq",
			"real server 10.9.1.1:8080 has weight 7 instead of 2",
			"real server 10.9.1.1:80 with weight 1 is not of the configuration",
		},
	}}
	if diff := cmp.Diff(status, all, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("Snapshot (-want +got):\n%s", diff)
	}

	must(t, d.Apply(t.Context(), want))
	holds(t, d, want)
	delete(f.services, web)
	all, err = d.Snapshot(t.Context())
	must(t, err)
	if len(all) != 1 || len(all[0].Servers) > 0 || !slices.Equal(all[0].Changes, []string{"the service is missing"}) {
		t.Errorf("a service that is gone is shown as %+v", all)
	}
	must(t, d.Apply(t.Context(), want))
	holds(t, d, want)
}

func TestSnapshotTellsAForeignMethodFromOurs(t *testing.T) {
	d, f := opened()
	want := two()
	want.RealServers = []dataplane.RealServer{{Addr: netip.MustParseAddrPort("10.9.1.1:80"), Forward: dataplane.IPIP, Weight: 1}}
	must(t, d.Apply(t.Context(), want))
	f.services[web].servers[0].tunnel.kind = 2
	all, err := d.Snapshot(t.Context())
	must(t, err)
	if got := all[0].Service.RealServers[0]; got == want.RealServers[0] {
		t.Errorf("a tunnel that somebody else has made one of GRE reads as %+v", got)
	}
}

// BenchmarkSnapshot has to grow with the number of real servers and not with its
// square: snapshots are taken every few seconds, and no change is possible
// meanwhile.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		d, f := opened()
		want := dataplane.VirtualService{ID: web, Scheduler: "rr"}
		e := entry{options: goalOptions(want)}
		for i := range n {
			r := masq(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), 80).String(), 1)
			want.RealServers = append(want.RealServers, r)
			e.servers = append(e.servers, serverEntry{server: goalServer(r)})
		}
		f.services[web] = &e
		must(b, d.Apply(b.Context(), want))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				_, err := d.Snapshot(b.Context())
				must(b, err)
			}
		})
	}
}

func TestForeignServicesAreNotTouched(t *testing.T) {
	d, f := opened()
	must(t, f.addService(web6, options{scheduler: "rr", netmask: 128}))
	before, writes := f.String(), f.writes
	must(t, d.Remove(t.Context(), web6))
	holds(t, d)
	must(t, d.Apply(t.Context(), two()))
	must(t, d.Remove(t.Context(), web))
	if f.String() != before {
		t.Errorf("left:\n%swant:\n%s", f, before)
	}
	if got := f.writes - writes; got != 4+1 {
		t.Errorf("%d writes, want 5: the service added, two real servers added, opened, removed", got)
	}
}

func TestTakeOver(t *testing.T) {
	d, f := opened()
	must(t, f.addService(web, options{scheduler: "wlc", netmask: netmask(false, 32)}))
	must(t, f.addServer(web, with(rip, func(s *server) { s.addr = netip.MustParseAddrPort("10.9.1.9:80") })))
	must(t, f.addServer(web, goalServer(two().RealServers[1])))
	var steps []step
	f.after = func(s step) { steps = append(steps, s) }
	must(t, d.Apply(t.Context(), two()))
	if got, want := script(steps), "change wrr\nadd to: 1 weight 2\nremove from: 9\n"; got != want {
		t.Errorf("steps:\n%swant:\n%s", got, want)
	}
	holds(t, d, two())
}

func TestFindTakesNothingOver(t *testing.T) {
	d, f := opened()
	must(t, f.addService(web, options{scheduler: "sh", flags: flagPersistent | flagSched1, timeout: 9, netmask: netmask(false, 24)}))
	must(t, f.addServer(web, rip))
	must(t, f.addServer(web, with(goalServer(two().RealServers[0]), func(s *server) { s.weight = 0 })))
	before, writes := f.String(), f.writes

	found, err := d.Find(t.Context(), []dataplane.ServiceID{web6, web})
	must(t, err)
	want := []dataplane.VirtualService{{
		ID: web, Scheduler: "sh", SchedFlags: []string{"sh-fallback"}, Persistent: 9 * time.Second, PersistentBits: 24,
		RealServers: []dataplane.RealServer{masq("10.9.1.1:8080", 0), masq("10.9.1.1:80", 1)},
	}}
	if diff := cmp.Diff(want, found, cmp.Comparer(func(a, b dataplane.VirtualService) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	holds(t, d)
	must(t, d.Remove(t.Context(), web))
	if f.String() != before || f.writes != writes {
		t.Errorf("Find has taken over:\n%s", f)
	}
	must(t, d.Close())
	if _, err := d.Find(t.Context(), []dataplane.ServiceID{web}); !errors.Is(err, dataplane.ErrClosed) {
		t.Errorf("Find after Close: %v", err)
	}
}

func TestRemoveWhatIsGone(t *testing.T) {
	d, f := opened()
	must(t, d.Apply(t.Context(), two()))
	must(t, f.delService(web))
	must(t, d.Remove(t.Context(), web))
	must(t, d.Apply(t.Context(), two()))
	f.refuse = func(step) error { return unix.EPERM }
	if err := d.Remove(t.Context(), web); !errors.Is(err, unix.EPERM) {
		t.Errorf("Remove: %v, want %v", err, unix.EPERM)
	}
	f.refuse = nil
	must(t, d.Remove(t.Context(), web))
	if f.String() != "" {
		t.Errorf("left:\n%s", f)
	}
}

// TestOneRefusedServerDelaysNoOthers: the kernel refuses one address.
func TestOneRefusedServerDelaysNoOthers(t *testing.T) {
	d, f := opened()
	bad := two().RealServers[0].Addr
	f.refuse = func(s step) error {
		if s.server.addr == bad {
			return unix.EINVAL
		}
		return nil
	}
	err := d.Apply(t.Context(), two())
	var op *dataplane.OpError
	if !errors.As(err, &op) || op.Service != web || op.Server != bad || !errors.Is(err, unix.EINVAL) {
		t.Errorf("got %v, want an OpError with the real server", err)
	}
	if want := "-A -t 10.9.0.1:80 -s wrr\n-a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 1\n"; f.String() != want {
		t.Errorf("left:\n%swant:\n%s", f, want)
	}
}

// TestNothingLeavesWhenNothingCanCome: every addition fails.
func TestNothingLeavesWhenNothingCanCome(t *testing.T) {
	d, f := opened()
	must(t, d.Apply(t.Context(), two()))
	before := f.String()
	f.refuse = func(s step) error {
		if s.verb == addServer {
			return unix.ENOMEM
		}
		return nil
	}
	want := two()
	want.RealServers = []dataplane.RealServer{masq("10.9.1.3:80", 1)}
	if err := d.Apply(t.Context(), want); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("got %v, want %v", err, unix.ENOMEM)
	}
	if f.String() != before {
		t.Errorf("left:\n%swant:\n%s", f, before)
	}
}

// TestRaces: another program is quicker once. The next Apply finds the changes
// that the kernel does not complain about.
func TestRaces(t *testing.T) {
	for name, meddle := range map[string]func(f *fake, s step){
		"service added":   func(f *fake, _ step) { f.services[web] = &entry{options: plain} },
		"service removed": func(f *fake, s step) { delete(f.services, web) },
		"server added": func(f *fake, s step) {
			if e := f.services[web]; e != nil {
				e.servers = []serverEntry{{server: goalServer(two().RealServers[1])}}
			}
		},
	} {
		for at := 1; at <= 4; at++ {
			d, f := opened()
			f.refuse = func(s step) error {
				if f.writes == at {
					meddle(f, s)
				}
				return nil
			}
			if err := d.Apply(t.Context(), two()); err != nil {
				t.Errorf("%s before write %d: %v", name, at, err)
			}
			must(t, d.Apply(t.Context(), two()))
			holds(t, d, two())
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		fail verb
		err  error
		says string
	}{
		{setService, unix.ENOENT, "change tcp 10.9.0.1:80: the kernel has no scheduler wrr, module ip_vs_wrr is missing: no such file or directory"},
		{addService, unix.EPERM, "add tcp 10.9.0.1:80: this process may not program IPVS: it needs the capability CAP_NET_ADMIN: operation not permitted"},
		{addService, unix.EAFNOSUPPORT, "add tcp 10.9.0.1:80: the kernel has no IPVS for this address family: address family not supported by protocol"},
		{addService, unix.EEXIST, "add tcp 10.9.0.1:80: somebody else has added it: file exists"},
		{addServer, unix.EINVAL, "add to tcp 10.9.0.1:80 real server 10.9.1.2:8080: the kernel takes no such address or forwarding method here: invalid argument"},
		{addServer, unix.ENOMEM, "add to tcp 10.9.0.1:80 real server 10.9.1.2:8080: cannot allocate memory"},
	} {
		d, f := opened()
		f.refuse = func(s step) error {
			if s.verb == c.fail && (s.server.addr == netip.AddrPort{} || s.server.addr == two().RealServers[1].Addr) {
				return c.err
			}
			return nil
		}
		if err := d.Apply(t.Context(), two()); err == nil || err.Error() != c.says {
			t.Errorf("got  %v\nwant %s", err, c.says)
		}
	}
}

func TestApplyRefusesWhatIsUnsupported(t *testing.T) {
	d, f := opened()
	want := two()
	want.RealServers[1].Weight = 70000
	err := d.Apply(t.Context(), want)
	var op *dataplane.OpError
	if !errors.Is(err, dataplane.ErrNotSupported) || !errors.As(err, &op) || op.Server != want.RealServers[1].Addr {
		t.Errorf("got %v, want an OpError that names the real server and matches ErrNotSupported", err)
	}
	if f.reads+f.writes > 0 {
		t.Error("the kernel was asked")
	}
}

// TestCancelled cancels after the additions and before the removals.
func TestCancelled(t *testing.T) {
	d, f := opened()
	must(t, d.Apply(t.Context(), two()))
	ctx, cancel := context.WithCancel(t.Context())
	f.after, f.writes = func(step) { cancel() }, 0
	other := two()
	other.RealServers[0].Addr = netip.MustParseAddrPort("10.9.1.9:80")
	if err := d.Apply(ctx, other); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply cancelled in the middle: %v", err)
	}
	if f.writes != 1 {
		t.Errorf("%d writes after it was cancelled, want none", f.writes-1)
	}
	for what, err := range map[string]error{"Apply": d.Apply(ctx, two()), "Remove": d.Remove(ctx, web)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", what, err, context.Canceled)
		}
	}
	must(t, d.Apply(t.Context(), two()))
	holds(t, d, two())
}

func TestCloseLeavesTheTable(t *testing.T) {
	d, f := opened()
	must(t, d.Apply(t.Context(), two()))
	before := f.String()
	must(t, d.Close())
	must(t, d.Close())
	if !f.closed || f.String() != before || !strings.Contains(before, "-a") {
		t.Errorf("closed is %v, the table:\n%swant:\n%s", f.closed, f, before)
	}
	_, err := d.Snapshot(t.Context())
	for what, err := range map[string]error{"Apply": d.Apply(t.Context(), two()), "Remove": d.Remove(t.Context(), web), "Snapshot": err} {
		if !errors.Is(err, dataplane.ErrClosed) {
			t.Errorf("%s: %v, want %v", what, err, dataplane.ErrClosed)
		}
	}
}

// TestApplyDroppingOnTheFake: the service drops packets until the last step is
// taken, where the kernel can do that, and is as wanted in the end in any case.
func TestApplyDroppingOnTheFake(t *testing.T) {
	for _, missing := range []bool{false, true} {
		t.Run(fmt.Sprintf("module missing %v", missing), func(t *testing.T) {
			d, f := opened()
			f.refuse = func(s step) error {
				if missing && s.options.engine == sipEngine {
					return unix.ENOENT
				}
				return nil
			}
			loud := 0
			f.after = func(step) {
				if e := f.services[web]; e != nil && e.engine != sipEngine && len(e.servers) < 2 {
					loud++
				}
			}
			must(t, d.ApplyDropping(t.Context(), two()))
			if loud > 0 != missing {
				t.Errorf("the service refused clients after %d steps", loud)
			}
			holds(t, d, two())
			f.after, f.refuse = nil, nil
			must(t, d.ApplyDropping(t.Context(), two()))
			if got := f.services[web].engine; got != "" {
				t.Errorf("the service is left with engine %s", got)
			}
		})
	}
}
