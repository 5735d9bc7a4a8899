package table_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A queueModel is a service with everybody who is there or waits to be.
type queueModel struct {
	t       *rapid.T
	s       *table.Service
	spec    dataplane.VirtualService
	claims  []table.Claim
	waiters []*table.Waiter
	told    []*table.Waiter
	queued  uint64
	updated bool // by the latest step
	before  map[*table.Server]int
}

func limited(t *rapid.T) dataplane.VirtualService {
	v := service(rapid.SampledFrom([]string{"rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr", "sh", "dh", "mh"}).Draw(t, "scheduler"))
	if rapid.Bool().Draw(t, "persistent") {
		v.Persistent, v.PersistentBits = time.Minute, rapid.SampledFrom([]int{29, 32}).Draw(t, "bits")
	}
	v.ExpireQuiescent = rapid.Bool().Draw(t, "expirequiescent")
	v.MaxQueue = rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "maxqueue")
	for i := range 3 {
		if rapid.IntRange(0, 5).Draw(t, "there") == 0 {
			continue
		}
		r := dataplane.RealServer{
			Addr: addrOf(rune('A' + i)), Weight: rapid.SampledFrom([]int{0, 1, 1, 2, 3}).Draw(t, "weight"),
			MaxConn: rapid.SampledFrom([]uint32{0, 1, 2, 2, 3}).Draw(t, "maxconn"),
			Upper:   rapid.SampledFrom([]uint32{0, 0, 2, 4}).Draw(t, "upper"),
		}
		if rapid.IntRange(0, 5).Draw(t, "cut") == 0 {
			v.Cut = append(v.Cut, r.Addr)
			r.Weight = 0
		}
		v.RealServers = append(v.RealServers, r)
	}
	if rapid.Bool().Draw(t, "sorry") {
		v.RealServers = append(v.RealServers, dataplane.RealServer{Sorry: true, Weight: 1})
	}
	return v
}

func (h *queueModel) come(t *rapid.T) {
	from := client(rapid.IntRange(0, 15).Draw(t, "client"))
	var tried []*table.Server
	for _, sv := range table.Handles(h.s) {
		if rapid.IntRange(0, 4).Draw(t, "tried") == 0 {
			tried = append(tried, sv)
		}
	}
	c, ok := h.s.Pick(from, tried)
	var w *table.Waiter
	if !ok {
		c, w, ok = h.s.Join(from, tried, func(w *table.Waiter) { h.told = append(h.told, w) })
	}
	switch {
	case ok:
		h.claims = append(h.claims, c)
	case w != nil:
		h.waiters = append(h.waiters, w)
		h.queued++
	}
}

func (h *queueModel) leave(t *rapid.T) {
	if i := anyOf(t, h.claims); i >= 0 {
		h.claims[i].Done()
		h.claims = slices.Delete(h.claims, i, i+1)
	}
}

func (h *queueModel) giveUp(t *rapid.T) {
	if i := anyOf(t, h.waiters); i >= 0 {
		if _, ok := h.waiters[i].Leave(); ok {
			t.Fatal("somebody had a place and was not told")
		}
		h.waiters = slices.Delete(h.waiters, i, i+1)
	}
}

func anyOf[T any](t *rapid.T, all []T) int {
	if len(all) == 0 {
		return -1
	}
	return rapid.IntRange(0, len(all)-1).Draw(t, "who")
}

func (h *queueModel) change(t *rapid.T) {
	h.spec = limited(t)
	h.s.Update(h.spec)
	h.updated = true
}

// check is called after each step.
func (h *queueModel) check(t *rapid.T) {
	h.collect(t)
	if n := table.Neglected(h.s); len(n) > 0 {
		t.Fatalf("%d wait while there is a place that they could have", len(n))
	}
	if n := table.Hopeless(h.s); len(n) > 0 {
		t.Fatalf("%d wait for nothing", len(n))
	}
	st := h.s.Status()
	if st.Waiting != len(h.waiters) || st.Counters.Queued != h.queued {
		t.Fatalf("%d of %d wait, want %d of %d", st.Waiting, st.Counters.Queued, len(h.waiters), h.queued)
	}
	now := map[*table.Server]int{}
	for _, c := range h.claims {
		now[c.Server()]++
	}
	for i, sv := range table.Handles(h.s) {
		r := st.Servers[i]
		if r.Active != now[sv] {
			t.Fatalf("%v has %d connections, want %d", r.Addr, r.Active, now[sv])
		}
		if r.Active > h.before[sv] && (r.MaxConn > 0 && r.Active > int(r.MaxConn) || slices.Contains(h.spec.Cut, r.Addr)) {
			t.Fatalf("%v was given more than it may have: %d", r.Addr, r.Active)
		}
	}
	h.before, h.updated = now, false
}

// collect sees to those who have been told.
func (h *queueModel) collect(t *rapid.T) {
	for _, w := range h.told {
		c, ok := w.Leave()
		if ok {
			h.claims = append(h.claims, c)
			if over := table.PassedOver(h.s, w, c.Server()); len(over) > 0 && h.spec.Persistent == 0 {
				t.Fatalf("%d were passed over", len(over))
			}
		} else if !h.updated && h.spec.Persistent == 0 {
			t.Fatal("somebody was sent away although nothing has changed")
		}
		i := slices.Index(h.waiters, w)
		if i < 0 {
			t.Fatal("somebody was told who does not wait")
		}
		h.waiters = slices.Delete(h.waiters, i, i+1)
	}
	h.told = nil
}

// TestQueue: clients come and go while the service changes: no server has more
// than its MaxConn, who waits is served in turn, and nobody waits for nothing or
// beside a place.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &queueModel{t: t, spec: limited(t)}
		h.s = table.New(h.spec)
		t.Repeat(map[string]func(*rapid.T){
			"come": h.come, "come too": h.come, "come as well": h.come,
			"leave": h.leave, "give up": h.giveUp, "change": h.change, "": h.check,
		})
		for len(h.claims)+len(h.waiters) > 0 {
			if len(h.claims) == 0 {
				t.Fatalf("%d wait although nobody is there", len(h.waiters))
			}
			h.claims[0].Done()
			h.claims = h.claims[1:]
			h.check(t)
		}
		if lines, kin := table.Lines(h.s); lines+kin > 0 {
			t.Fatalf("the queue is empty, and has %d lines and %d clients", lines, kin)
		}
	})
}

// full is a service whose servers A, B ... have room for so many.
func full(scheduler string, room ...uint32) dataplane.VirtualService {
	v := service(scheduler)
	for i, n := range room {
		v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addrOf(rune('A' + i)), Weight: 1, MaxConn: n})
	}
	return v
}

// A queueFixture tells who has been called, as a string of names.
type queueFixture struct {
	t     *testing.T
	s     *table.Service
	names map[*table.Waiter]string
	calls string
	got   map[string]table.Claim
}

func newQueueFixture(t *testing.T, v dataplane.VirtualService) *queueFixture {
	return &queueFixture{t: t, s: table.New(v), names: map[*table.Waiter]string{}, got: map[string]table.Claim{}}
}

// come lets a client take a place or wait, and returns the place.
func (d *queueFixture) come(name string, from netip.AddrPort, tried ...*table.Server) {
	d.t.Helper()
	c, ok := d.s.Pick(from, tried)
	if ok {
		d.got[name] = c
		return
	}
	_, w, _ := d.s.Join(from, tried, d.called)
	if w == nil {
		d.got[name] = table.Claim{}
		return
	}
	d.names[w] = name
}

func (d *queueFixture) called(w *table.Waiter) {
	c, ok := w.Leave()
	if ok {
		d.got[d.names[w]] = c
		d.calls += d.names[w] + letter(c) + " "
	} else {
		d.calls += d.names[w] + "- "
	}
	delete(d.names, w)
}

func (d *queueFixture) want(calls string) {
	d.t.Helper()
	if d.calls != calls {
		d.t.Errorf("called: %q, want %q", d.calls, calls)
	}
	d.calls = ""
}

func TestQueueServesInTurn(t *testing.T) {
	d := newQueueFixture(t, full("rr", 1, 1))
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		d.come(name, client(i))
	}
	d.got["b"].Done()
	d.want("cB ")
	d.got["a"].Done()
	d.want("dA ")
	d.got["d"].Failed()
	d.want("eA ")
	d.got["c"].Done()
	d.want("")
}

func TestQueueMindsWhoWasTried(t *testing.T) {
	d := newQueueFixture(t, full("rr", 1, 1))
	d.come("a", client(0))
	d.come("b", client(1))
	d.come("c", client(2), d.got["a"].Server())
	d.come("d", client(3))
	d.got["a"].Done()
	d.want("dA ")
	d.got["b"].Done()
	d.want("cB ")
}

func TestQueueWaitsForThePinnedServer(t *testing.T) {
	v := full("rr", 1, 2)
	v.Persistent, v.PersistentBits = time.Minute, 32
	d := newQueueFixture(t, v)
	d.come("a", client(0))
	d.come("b", client(1))
	d.come("again", client(0)) // B has room, but A is where it belongs
	d.come("c", client(2))
	d.come("d", client(3))
	d.got["b"].Done()
	d.want("dB ")
	d.got["a"].Done()
	d.want("againA ")
	// Without A it goes anywhere.
	d.come("third", client(0))
	v.RealServers = v.RealServers[1:]
	d.s.Update(v)
	d.want("")
	d.got["c"].Done()
	d.want("thirdB ")
}

// TestQueueKeepsAClientTogether: of two connections of one client that wait,
// the second follows the first to the server where that has found a place.
func TestQueueKeepsAClientTogether(t *testing.T) {
	v := full("rr", 2, 1)
	v.Persistent, v.PersistentBits = time.Minute, 32
	d := newQueueFixture(t, v)
	for i, name := range []string{"a", "b", "c"} {
		d.come(name, client(i))
	}
	d.come("x", client(9))
	d.come("y", client(9))
	d.come("z", client(8))
	d.got["b"].Done()
	d.want("xB ")
	d.got["a"].Done()
	d.want("zA ")
	d.got["x"].Done()
	d.want("yB ")
}

func TestQueueWithNobodyLeft(t *testing.T) {
	v := full("rr", 1)
	v.RealServers = append(v.RealServers, dataplane.RealServer{Sorry: true, Weight: 1})
	d := newQueueFixture(t, v)
	d.come("a", client(0))
	d.come("b", client(1)) // no sorry page for who can wait
	d.come("c", client(2))
	d.want("")
	w := v.Clone()
	w.RealServers[0].Weight = 0
	d.s.Update(w)
	d.want("b- c- ")
	if c, ok := d.s.Pick(client(1), nil); !ok || !c.Sorry() {
		t.Error("the sorry server does not come in when nobody can be waited for")
	}
	if got := d.s.Status().Counters.Queued; got != 2 {
		t.Errorf("%d have waited, want 2", got)
	}
}

func TestQueueWhenThereIsMoreRoom(t *testing.T) {
	v := full("rr", 1)
	d := newQueueFixture(t, v)
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		d.come(name, client(i))
	}
	w := v.Clone()
	w.RealServers[0].MaxConn = 3
	d.s.Update(w)
	d.want("bA cA ")
	w.RealServers = append(w.RealServers, dataplane.RealServer{Addr: addrOf('B'), Weight: 1, MaxConn: 1})
	d.s.Update(w)
	d.want("dB ")
	w.RealServers[0].MaxConn = 0
	d.s.Update(w)
	d.want("eA ")
}

func TestQueueIsBounded(t *testing.T) {
	v := full("rr", 1)
	v.MaxQueue = 2
	d := newQueueFixture(t, v)
	for i, name := range []string{"a", "b", "c", "d"} {
		d.come(name, client(i))
	}
	if _, turnedAway := d.got["d"]; !turnedAway || d.s.Status().Waiting != 2 {
		t.Errorf("%d wait, want 2 and the third turned away", d.s.Status().Waiting)
	}
}

func TestCut(t *testing.T) {
	v := service("rr", 1, 1)
	v.Persistent, v.PersistentBits = time.Minute, 32
	s := table.New(v)
	a, _ := s.Pick(client(0), nil)
	b, _ := s.Pick(client(1), nil)
	if s.Doomed() || a.Doomed() {
		t.Error("doomed before there is a reason")
	}
	w := v.Clone()
	w.Cut = []netip.AddrPort{a.Addr()}
	w.RealServers[0].Weight = 0
	s.Update(w)
	if !s.Doomed() || !a.Doomed() || b.Doomed() {
		t.Errorf("doomed: service %v, A %v, B %v; want A alone", s.Doomed(), a.Doomed(), b.Doomed())
	}
	if c, _ := s.Pick(client(0), nil); letter(c) != "B" {
		t.Errorf("the pinned client of A is given to %s", letter(c))
	}
	a.Cut()
	a.Done()
	if s.Doomed() {
		t.Error("doomed when nobody is left")
	}
	st := s.Status()
	if st.Counters.Cut != 1 || st.Servers[0].Counters.Cut != 1 {
		t.Errorf("cut: %d and %d, want 1", st.Counters.Cut, st.Servers[0].Counters.Cut)
	}
	// Removed with connections, it is doomed all the same.
	w.Cut, w.RealServers = []netip.AddrPort{b.Addr()}, w.RealServers[:1]
	s.Update(w)
	if !s.Doomed() || !b.Doomed() || a.Doomed() {
		t.Error("a server that has been removed is not doomed")
	}
}
