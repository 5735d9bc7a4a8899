package table_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// addrOf returns the address of the real server called by a letter.
func addrOf(letter rune) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(letter)}), 80)
}

// letter is what the server of a claim is called.
func letter(c table.Claim) string { return string(rune(c.Addr().Addr().As4()[3])) }

// service has real servers A, B, C ... of the given weights; a negative weight
// leaves the letter out.
func service(scheduler string, weights ...int) dataplane.VirtualService {
	v := dataplane.VirtualService{
		ID:        dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")},
		Scheduler: scheduler,
	}
	for i, w := range weights {
		if w >= 0 {
			v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addrOf(rune('A' + i)), Weight: w})
		}
	}
	return v
}

// client returns one of many clients.
func client(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}), uint16(1024+n))
}

// sequence picks n times and returns the letters, "-" for nobody. The claims
// stay.
func sequence(s *table.Service, n int) string {
	var b strings.Builder
	for i := range n {
		c, ok := s.Pick(client(i), nil)
		if !ok {
			b.WriteString("-")
			continue
		}
		b.WriteString(letter(c))
	}
	return b.String()
}

func TestSequence(t *testing.T) {
	tests := []struct {
		scheduler string
		weights   []int
		want      string
	}{
		{"rr", []int{1, 1, 1}, "ABCABC"},
		{"rr", []int{7, 0, 1}, "ACAC"},
		{"rr", []int{0, 0}, "--"},
		{"rr", nil, "-"},
		{"wrr", []int{2, 1}, "AABAAB"},
		{"wrr", []int{1, 2}, "BABBAB"},
		{"wrr", []int{4, 3, 2}, "AABABCABCAABABCABC"},
		{"wrr", []int{40, 30, 20}, "AABABCABCAABABCABC"},
		{"wrr", []int{1, 1, 1}, "ABCABC"},
		{"wrr", []int{3, 0, 1}, "AAACAAAC"},
		{"wrr", []int{65535, 1}, "AAAA"},
		{"wrr", []int{0, 0}, "--"},
		{"wrr", nil, "-"},
		{"lc", []int{1, 9, 1}, "ABCABC"},
		{"lc", []int{0, 1}, "BB"},
		{"wlc", []int{1, 1}, "ABAB"},
		{"wlc", []int{2, 1}, "ABAABAABA"},
		{"wlc", []int{0}, "-"},
		{"sed", []int{3, 1}, "AAABAAAB"},
		{"nq", []int{3, 1}, "ABAAAAAB"},
		{"fo", []int{1, 3, 3}, "BBB"},
		{"ovf", []int{1, 2}, "BBBAA--"},
		{"lblc", []int{1, 4}, "AABBBBBB"},
		{"lblcr", []int{1, 4}, "AABBBBBB"},
		{"dh", []int{1, 9}, "AAAA"},
		{"dh", []int{0, 1}, "BB"},
		{"dh", []int{0}, "-"},
		{"mh", []int{0, 5}, "BBBB"},
		{"mh", []int{0}, "-"},
		{"mh", nil, "-"},
		{"sh", []int{0, 5}, "BBBB"},
		{"sh", []int{0}, "-"},
		{"sh", nil, "-"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.scheduler, tt.weights), func(t *testing.T) {
			s := table.New(service(tt.scheduler, tt.weights...))
			if got := sequence(s, len(tt.want)); got != tt.want {
				t.Errorf("picks %s, want %s", got, tt.want)
			}
		})
	}
}

// When real servers change rr goes on from where it was, and wrr at the level
// where it was, from the first server on.
func TestSequenceAfterUpdate(t *testing.T) {
	tests := []struct {
		scheduler     string
		before        []int
		picks         int
		after         []int
		want, because string
	}{
		{"rr", []int{1, 1, 1}, 1, []int{1, 1, 1, 1}, "BCDA", "one was added"},
		{"rr", []int{1, 1, 1}, 2, []int{1, -1, 1}, "CAC", "the last one was removed"},
		{"rr", []int{1, 1, 1}, 1, []int{-1, 1, 1}, "BCB", "the first one was removed"},
		{"rr", []int{1, 1, 1}, 2, []int{1, 1, -1}, "ABA", "the next one was removed"},
		{"rr", []int{1, 1}, 1, []int{-1, -1, 1, 1}, "CDC", "all were exchanged"},
		{"rr", []int{1, 1, 1}, 1, []int{1, 0, 1}, "CAC", "the next one was quiesced"},
		{"wrr", []int{2, 1}, 1, []int{2, 1}, "ABAAB", "nothing changed"},
		{"wrr", []int{4, 2}, 1, []int{2, 1}, "AABAA", "weights were halved"},
		{"wrr", []int{0, 0}, 1, []int{2, 1}, "AABAAB", "there was nobody before"},
		{"wrr", []int{3, 1}, 1, []int{1, 1}, "ABA", "the level was too high"},
		{"wrr", []int{2, 1}, 2, []int{2, 1, 3}, "ABCCA", "a heavier one was added"},
	}
	for _, tt := range tests {
		t.Run(tt.scheduler+" "+tt.because, func(t *testing.T) {
			s := table.New(service(tt.scheduler, tt.before...))
			sequence(s, tt.picks)
			s.Update(service(tt.scheduler, tt.after...))
			if got := sequence(s, len(tt.want)); got != tt.want {
				t.Errorf("picks %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSchedulerChange(t *testing.T) {
	s := table.New(service("rr", 1, 1))
	c, _ := s.Pick(client(0), nil)
	s.Update(service("lc", 1, 1))
	if got := sequence(s, 2); got != "BA" {
		t.Errorf("lc picks %s with a connection at %s from before, want BA", got, letter(c))
	}
}

// Those that were tried are passed over, and the next client is not treated
// differently for it.
func TestTriedServersArePassedOver(t *testing.T) {
	for _, scheduler := range table.Schedulers() {
		t.Run(scheduler, func(t *testing.T) {
			s := table.New(service(scheduler, 1, 1, 1))
			var tried []*table.Server
			seen := map[string]bool{}
			for range 3 {
				c, ok := s.Pick(client(0), tried)
				if !ok {
					t.Fatalf("nobody after %d attempts, want three", len(tried))
				}
				seen[letter(c)] = true
				tried = append(tried, c.Server())
				c.Failed()
			}
			if len(seen) != 3 {
				t.Errorf("attempts at %v, want each of three", seen)
			}
			if c, ok := s.Pick(client(0), tried); ok {
				t.Errorf("a fourth attempt at %s", letter(c))
			}
			if got := s.Status().Counters; got.Failures != 3 || got.Connections != 0 {
				t.Errorf("counted %d failures and %d connections, want 3 and 0", got.Failures, got.Connections)
			}
		})
	}
}

func TestThresholds(t *testing.T) {
	v := service("rr", 1)
	v.RealServers[0].Upper, v.RealServers[0].Lower = 4, 2
	tests := []struct {
		lower uint32
		until int // connections from which on it takes one again
	}{
		{2, 1},
		{4, 3},
		{0, 2}, // less than three quarters of 4
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint("lower ", tt.lower), func(t *testing.T) {
			v.RealServers[0].Lower = tt.lower
			s := table.New(v)
			var claims []table.Claim
			for {
				c, ok := s.Pick(client(0), nil)
				if !ok {
					break
				}
				claims = append(claims, c)
			}
			if len(claims) != 4 {
				t.Fatalf("takes %d connections, want 4", len(claims))
			}
			for n := 3; n >= tt.until; n-- {
				claims[n].Done()
				if _, ok := s.Pick(client(0), nil); ok != (n == tt.until) {
					t.Fatalf("with %d connections takes another: %v", n, ok)
				}
			}
		})
	}
}

func TestThresholdsChange(t *testing.T) {
	v := service("rr", 1)
	v.RealServers[0].Upper = 2
	s := table.New(v)
	if got := sequence(s, 3); got != "AA-" {
		t.Fatalf("picks %s below threshold 2, want AA-", got)
	}
	v = v.Clone()
	v.RealServers[0].Upper = 4
	s.Update(v)
	if got := sequence(s, 3); got != "AA-" {
		t.Errorf("picks %s after the threshold rose to 4, want AA-", got)
	}
	v = v.Clone()
	v.RealServers[0].Upper = 0
	s.Update(v)
	if got := sequence(s, 3); got != "AAA" {
		t.Errorf("picks %s without a threshold, want AAA", got)
	}
	v = v.Clone()
	v.RealServers[0].Upper = 5
	s.Update(v)
	if got := sequence(s, 1); got != "-" {
		t.Errorf("picks %s above a new threshold, want -", got)
	}
}

// A real server that comes back is as busy as it is.
func TestRemovedAndBack(t *testing.T) {
	s := table.New(service("lc", 1, 1))
	a, _ := s.Pick(client(0), nil)
	s.Update(service("lc", -1, 1))
	if !a.Removed() {
		t.Error("the claim does not know that its real server was removed")
	}
	b, _ := s.Pick(client(1), nil)
	s.Update(service("lc", 1, 1))
	if a.Removed() {
		t.Error("the claim does not know that its real server is back")
	}
	if got := sequence(s, 1); got != "A" {
		t.Errorf("picks %s with one connection at each, want A", got)
	}
	if st := s.Status(); st.Servers[0].Active != 2 || st.Servers[1].Active != 1 {
		t.Errorf("active %d and %d, want 2 and 1", st.Servers[0].Active, st.Servers[1].Active)
	}
	a.Done()
	b.Done()
}

// TestCountersOutlastRemoval: the counters of a real server outlast its removal, with
// connections and without, and go on when it is back; so do the totals.
func TestCountersOutlastRemoval(t *testing.T) {
	s := table.New(service("rr", 1))
	want := dataplane.Counters{}
	for range 3 {
		c, _ := s.Pick(client(0), nil)
		c.Established()
		c.In(2, 30)
		s.Update(service("rr", -1, 1))
		c.Out(3, 40)
		want = want.Add(dataplane.Counters{Connections: 1, InPackets: 2, InBytes: 30, OutPackets: 3, OutBytes: 40})
		left := func(active int) {
			t.Helper()
			st := s.Status()
			if len(st.Left) != 1 || st.Left[0].Addr != addrOf('A') || st.Left[0].Counters != want || st.Left[0].Active != active {
				t.Errorf("left is %+v, want %d active and %+v", st.Left, active, want)
			}
		}
		left(1)
		c.Done()
		left(0)
		s.Expire()
		s.Update(service("rr", 1))
		st := s.Status()
		if got := st.Servers[0]; got.Active != 0 || got.Counters != want || len(st.Left) > 0 {
			t.Errorf("back without connections it has %+v, want %+v; left is %+v", got, want, st.Left)
		}
	}
	s.Refused(dataplane.Unreachable)
	want.Refused, want.Refusals = 1, dataplane.Refusals{dataplane.Unreachable: 1}
	if got := s.Status().Counters; got != want {
		t.Errorf("totals %+v, want %+v", got, want)
	}
}

func TestSorry(t *testing.T) {
	v := service("rr", 1, 0)
	v.RealServers = append(v.RealServers,
		dataplane.RealServer{Addr: addrOf('Y'), Weight: 1, Sorry: true},
		dataplane.RealServer{Weight: 1, Sorry: true})
	s := table.New(v)
	a, _ := s.Pick(client(0), nil)
	if a.Sorry() || letter(a) != "A" {
		t.Fatal("the sorry server answers although A can")
	}
	y, _ := s.Pick(client(0), []*table.Server{a.Server()})
	if !y.Sorry() || letter(y) != "Y" {
		t.Fatal("without A the first sorry server does not answer")
	}
	z, _ := s.Pick(client(0), []*table.Server{a.Server(), y.Server()})
	if !z.Sorry() || z.Addr() != (netip.AddrPort{}) {
		t.Error("without A and Y the last sorry server does not answer")
	}
	z, ok := s.Pick(client(0), []*table.Server{a.Server(), y.Server(), z.Server()})
	if !ok || !z.Sorry() {
		t.Error("when all were tried no sorry server is left")
	}
}

func TestStatusBelongsToCaller(t *testing.T) {
	s := table.New(service("rr", 1))
	s.Status().Service.RealServers[0].Weight = 9
	if got := s.Status().Service.RealServers[0].Weight; got != 1 {
		t.Errorf("weight %d after the caller has written to its copy", got)
	}
}
