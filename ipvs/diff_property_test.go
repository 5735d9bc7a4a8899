package ipvs

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// states draws services of few real servers with few weights, so that the
// interesting cases are frequent.
var states = rapid.Custom(func(t *rapid.T) state {
	s := pool(rapid.SampledFrom([]string{"rr", "wrr", noScheduler}).Draw(t, "scheduler"), rapid.SliceOfN(rapid.IntRange(-1, 2), 0, 5).Draw(t, "weights")...)
	for i := range s.servers {
		s.servers[i].upper = rapid.SampledFrom([]uint32{0, 9}).Draw(t, "upper")
	}
	return s
})

// put puts a service into a fake.
func put(f *fake, s *state) {
	delete(f.services, web)
	if s == nil {
		return
	}
	e := &entry{options: s.options}
	for _, srv := range s.servers {
		e.servers = append(e.servers, serverEntry{server: srv})
	}
	f.services[web] = e
}

// model is the state in another form: the real servers by their addresses.
func model(s state) map[netip.AddrPort]server {
	m := map[netip.AddrPort]server{}
	for _, srv := range s.servers {
		m[srv.addr] = srv
	}
	return m
}

// fewest is how many steps it takes at least.
func fewest(have *state, want state) int {
	if have == nil {
		return 2 + len(want.servers)
	}
	var n int
	if have.options != want.options {
		n++
	}
	from, to := model(*have), model(want)
	for addr, srv := range to {
		if old, ok := from[addr]; !ok || old != srv {
			n++
		}
	}
	for addr := range from {
		if _, ok := to[addr]; !ok {
			n++
		}
	}
	return n
}

func same(a, b map[netip.AddrPort]server) bool {
	if len(a) != len(b) {
		return false
	}
	for addr, srv := range a {
		if b[addr] != srv {
			return false
		}
	}
	return true
}

// steady are the real servers that take new connections before and after.
func steady(have *state, want state) (addrs []netip.AddrPort) {
	from := map[netip.AddrPort]server{}
	if have != nil {
		from = model(*have)
	}
	for _, srv := range want.servers {
		if srv.weight > 0 && from[srv.addr].weight > 0 {
			addrs = append(addrs, srv.addr)
		}
	}
	return addrs
}

func TestDiffProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := states.Draw(t, "want")
		want.scheduler = "rr"
		var have *state
		if rapid.Bool().Draw(t, "exists") {
			h := states.Draw(t, "have")
			have = &h
		}
		f := newFake()
		put(f, have)
		steps := diff(have, want)
		if len(steps) != fewest(have, want) {
			t.Fatalf("%d steps, %d would do:\n%s", len(steps), fewest(have, want), script(steps))
		}
		served := have != nil && usable(have.servers) > 0 && usable(want.servers) > 0
		for i, s := range steps {
			if err := s.on(f, web); err != nil {
				t.Fatalf("step %d of\n%s: %v", i, script(steps), err)
			}
			now, _ := f.get(web)
			if served && usable(now.state().servers) == 0 {
				t.Fatalf("no usable real server after step %d of\n%s", i, script(steps))
			}
			for _, addr := range steady(have, want) {
				if model(*now.state())[addr].weight == 0 {
					t.Fatalf("%v was disturbed by step %d of\n%s", addr, i, script(steps))
				}
			}
		}
		end, _ := f.read(web)
		if end.options != want.options || !same(model(*end.state()), model(want)) {
			t.Fatalf("came to %+v, want %+v", end, want)
		}
		if again := diff(end.state(), want); len(again) > 0 {
			t.Fatalf("again:\n%s", script(again))
		}
	})
}

// TestFailuresNeverEmptyAService: any of the writes fails, and then the service
// is applied once more without failures.
func TestFailuresNeverEmptyAService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := states.Draw(t, "have"), states.Draw(t, "want")
		fails := rapid.SliceOfN(rapid.Bool(), 20, 20).Draw(t, "fails")
		errno := rapid.SampledFrom([]error{unix.ENOMEM, unix.EEXIST, unix.ENOENT, unix.EINVAL}).Draw(t, "errno")
		f := newFake()
		put(f, &have)
		d, l := withTable(f, nil), newTotals()
		served := usable(have.servers) > 0 && usable(want.servers) > 0
		f.refuse = func(step) error {
			if f.writes <= len(fails) && fails[f.writes-1] {
				return errno
			}
			return nil
		}
		f.after = func(s step) {
			now, _ := f.get(web)
			if served && usable(now.state().servers) == 0 {
				t.Fatalf("no usable real server after %q", script([]step{s}))
			}
		}
		err := d.reconcile(t.Context(), web, want, &l, unchanged)
		now, _ := f.read(web)
		reached := len(diff(now.state(), want)) == 0
		if (err == nil) != reached {
			t.Fatalf("reached is %v, the error %v", reached, err)
		}
		if err != nil && !errors.Is(err, errno) {
			t.Fatalf("%v does not lead to %v", err, errno)
		}
		f.refuse = nil
		if err := d.reconcile(t.Context(), web, want, &l, unchanged); err != nil {
			t.Fatal(err)
		}
		now, _ = f.read(web)
		if rest := diff(now.state(), want); len(rest) > 0 {
			t.Fatalf("left to do:\n%s", script(rest))
		}
	})
}
