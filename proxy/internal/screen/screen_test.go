package screen

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
)

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("192.0.2.2")
)

func perSource(conns int, rate dataplane.Rate) Limits {
	return Limits{Conns: conns, Rate: rate, Bits4: 32, Bits6: 64}
}

func rate(n int, per time.Duration) dataplane.Rate { return dataplane.Rate{Count: n, Per: per} }

// wantAdmitted asks for n of a client, of which so many have to be admitted.
func wantAdmitted(t *testing.T, s *Screen, client netip.Addr, n, want int) (admitted []*Source) {
	t.Helper()
	for range n {
		switch from, v := s.Admit(client); v {
		case Admitted:
			admitted = append(admitted, from)
		case Denied:
			t.Errorf("%s is denied", client)
		}
	}
	if len(admitted) != want {
		t.Errorf("%d of %d of %s were admitted, want %d", len(admitted), n, client, want)
	}
	return admitted
}

func leaveAll(all []*Source) {
	for _, from := range all {
		from.Leave()
	}
}

func wantSources(t *testing.T, s *Screen, known, having int) {
	t.Helper()
	if k, h := s.Sources(); k != known || h != having {
		t.Errorf("%d sources are known and have %d, want %d and %d", k, h, known, having)
	}
}

func TestOpen(t *testing.T) {
	s := new(Screen)
	for range 3 {
		if from, v := s.Admit(one); from != nil || v != Admitted || !s.Open() {
			t.Errorf("%v, %v: want everybody admitted and nothing counted", from, v)
		}
	}
	s.Set(NewRules(nil, prefixes(t, "192.0.2.1/32")), Limits{Bits4: 32})
	if _, v := s.Admit(one); v != Denied || s.Open() {
		t.Errorf("a client on the list: %v, want denied", v)
	}
	if from, v := s.Admit(two); from != nil || v != Admitted {
		t.Errorf("a client that is not: %v, %v, want admitted and not counted", from, v)
	}
	s.Set(nil, Limits{})
	wantAdmitted(t, s, one, 2, 2)
}

// A source has as many at a time as it may, and gets back what it gives back.
func TestConns(t *testing.T) {
	s := new(Screen)
	s.Set(nil, perSource(3, dataplane.Rate{}))
	all := wantAdmitted(t, s, one, 5, 3)
	wantAdmitted(t, s, two, 1, 1)
	all[0].Leave()
	all = append(all[1:], wantAdmitted(t, s, one, 2, 1)...)
	wantSources(t, s, 2, 4)
	leaveAll(all)
	wantSources(t, s, 1, 1)
	wantAdmitted(t, s, one, 5, 3)
}

// Clients are of one source by the lengths of their prefixes.
func TestPrefixes(t *testing.T) {
	s := new(Screen)
	s.Set(nil, Limits{Conns: 1, Bits4: 24, Bits6: 48})
	for _, tt := range []struct {
		client string
		want   int
	}{
		{"192.0.2.1", 1},
		{"192.0.2.254", 0},
		{"::ffff:192.0.2.9", 0},
		{"192.0.3.1", 1},
		{"2001:db8:1:1::1", 1},
		{"2001:db8:1:2::1", 0},
		{"2001:db8:2:1::1", 1},
		{"fe80::1%lo", 1},
		{"fe80::2%eth0", 0},
	} {
		wantAdmitted(t, s, netip.MustParseAddr(tt.client), 1, tt.want)
	}
}

// All that a rate allows may come at once, and comes back little by little.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Screen)
		s.Set(nil, perSource(0, rate(10, time.Second)))
		leaveAll(wantAdmitted(t, s, one, 20, 10))
		leaveAll(wantAdmitted(t, s, two, 1, 1))
		time.Sleep(100*time.Millisecond - 1)
		wantAdmitted(t, s, one, 1, 0)
		time.Sleep(time.Nanosecond)
		leaveAll(wantAdmitted(t, s, one, 2, 1))
		time.Sleep(350 * time.Millisecond)
		leaveAll(wantAdmitted(t, s, one, 9, 3))
		time.Sleep(time.Hour)
		leaveAll(wantAdmitted(t, s, one, 20, 10))
	})
}

// No source begins more than twice the rate in any window, nor more than the rate
// over a long time.
func TestRateHolds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(r, "count")
		per := time.Duration(rapid.IntRange(10, 2000).Draw(r, "milliseconds")) * time.Millisecond
		gaps := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 200).Draw(r, "gaps")
		synctest.Test(t, func(t *testing.T) {
			s, start, began := new(Screen), time.Now(), 0
			s.Set(nil, perSource(0, rate(n, per)))
			for _, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Millisecond)
				from, v := s.Admit(one)
				from.Leave()
				if v == Admitted {
					began++
				}
				// The part of the rate that has come back since the beginning,
				// and the part that was there then.
				if most := n + int(int64(time.Since(start))*int64(n)/int64(per)) + 1; began > most {
					r.Fatalf("%d in %v, want %d at most", began, time.Since(start), most)
				}
			}
		})
	})
}

// Being turned away costs nothing: neither of both limits eats into the other.
func TestRefusalsCountForNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Screen)
		s.Set(nil, perSource(1, rate(2, time.Second)))
		all := wantAdmitted(t, s, one, 100, 1)
		leaveAll(all)
		leaveAll(wantAdmitted(t, s, one, 1, 1))
		wantAdmitted(t, s, one, 100, 0)
		time.Sleep(500 * time.Millisecond)
		wantAdmitted(t, s, one, 1, 1)
	})
}

// TestChange: the counts and rates of sources outlast a change of limits.
func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Screen)
		s.Set(nil, perSource(2, rate(4, time.Minute)))
		all := wantAdmitted(t, s, one, 9, 2)
		s.Set(nil, perSource(3, rate(4, time.Minute)))
		all = append(all, wantAdmitted(t, s, one, 9, 1)...)
		s.Set(nil, perSource(1, rate(4, time.Minute)))
		wantAdmitted(t, s, one, 1, 0)
		leaveAll(all)
		wantSources(t, s, 1, 0)
		s.Set(nil, perSource(9, rate(4, time.Minute)))
		leaveAll(wantAdmitted(t, s, one, 9, 1))
		// Nobody is held back for longer than the rate in force can say.
		s.Set(nil, perSource(9, rate(4, time.Second)))
		time.Sleep(time.Second)
		leaveAll(wantAdmitted(t, s, one, 9, 4))
		// Another length of prefix makes other sources of them, and back.
		s.Set(nil, Limits{Conns: 4, Bits4: 24})
		wantAdmitted(t, s, one, 9, 4)
		s.Set(nil, Limits{Conns: 4, Bits4: 32})
		wantAdmitted(t, s, one, 9, 4)
		s.Set(nil, Limits{Conns: 4, Bits4: 24})
		wantAdmitted(t, s, one, 9, 0)
		// Clients that were admitted while there was no limit do not count.
		s.Set(nil, Limits{})
		leaveAll(wantAdmitted(t, s, two, 9, 9))
		s.Expire()
		wantSources(t, s, 2, 8)
	})
}

// Sources that have nothing are forgotten as soon as that makes no difference.
func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Screen)
		s.Set(nil, perSource(0, rate(2, time.Second)))
		leaveAll(wantAdmitted(t, s, one, 2, 2))
		leaveAll(wantAdmitted(t, s, two, 1, 1))
		s.Expire()
		wantSources(t, s, 2, 0)
		time.Sleep(500 * time.Millisecond)
		s.Expire()
		wantSources(t, s, 1, 0)
		time.Sleep(500 * time.Millisecond)
		s.Expire()
		wantSources(t, s, 0, 0)
		if n := s.Evicted(); n != 0 {
			t.Errorf("%d were forgotten before their time, want none", n)
		}
	})
}

func host(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

// A flood of sources takes the place of those that have nothing, those first
// that it makes no difference to, and never lets go one that is held back.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Screen)
		s.sources.most = 100
		s.Set(nil, perSource(0, rate(5, time.Minute)))
		busy := wantAdmitted(t, s, one, 1, 1)
		leaveAll(wantAdmitted(t, s, two, 9, 5))
		for i := range 1000 {
			leaveAll(wantAdmitted(t, s, host(i), 1, 1))
			time.Sleep(time.Millisecond)
			wantAdmitted(t, s, two, 1, 0)
		}
		wantSources(t, s, 100, 1)
		if n := s.Evicted(); n != 902 {
			t.Errorf("%d were forgotten before their time, want 902", n)
		}
		wantAdmitted(t, s, one, 9, 4)
		leaveAll(busy)
	})
}

// TestFull: a new source is not admitted if all known ones have connections.
func TestFull(t *testing.T) {
	s := new(Screen)
	s.sources.most = 3
	s.Set(nil, perSource(2, dataplane.Rate{}))
	var all []*Source
	for i := range 3 {
		all = append(all, wantAdmitted(t, s, host(i), 1, 1)...)
	}
	wantAdmitted(t, s, host(3), 1, 0)
	all = append(all, wantAdmitted(t, s, host(0), 2, 1)...)
	all[1].Leave()
	wantAdmitted(t, s, host(3), 1, 1)
	wantSources(t, s, 3, 4)
}

// Many at once never have more than the limit, and nothing stays behind.
func TestManyAtOnce(t *testing.T) {
	s := new(Screen)
	s.sources.most = 8
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			var mine []*Source
			for i := range 2000 {
				if from, v := s.Admit(host((i * 7) % 16)); v == Admitted {
					mine = append(mine, from)
				}
				if i%3 == 0 {
					leaveAll(mine)
					mine = mine[:0]
				}
				if w == 0 && i%100 == 0 {
					s.Set(nil, perSource(1+i%4, rate(1000, time.Millisecond)))
					s.Expire()
				}
			}
			leaveAll(mine)
		})
	}
	all.Wait()
	if _, having := s.Sources(); having != 0 {
		t.Errorf("sources still have %d, want none", having)
	}
}

func BenchmarkAdmit(b *testing.B) {
	s := new(Screen)
	s.Set(nil, perSource(1000, rate(1000, time.Second)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		from, _ := s.Admit(host(i & 0xffff))
		from.Leave()
	}
}

func BenchmarkAdmitOpen(b *testing.B) {
	s := new(Screen)
	for b.Loop() {
		from, _ := s.Admit(one)
		from.Leave()
	}
}
