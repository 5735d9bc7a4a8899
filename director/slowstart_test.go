package director

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// slow is a service whose servers take length to their whole weight.
func slow(length time.Duration, reals ...string) config.Virtual {
	v := virtual(vip, reals...)
	v.SlowStart = length
	return v
}

// pass lets time pass, a second at a time.
func (r *replay) pass(d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(time.Second)
		r.c.tick(r.now)
	}
}

// both brings the servers of the story up, and rs2 down again.
func both(t *testing.T, v config.Virtual) *replay {
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.result(rs2, errBad)
	r.out.take()
	return r
}

func asked(weights string) string { return "apply " + vip + ": " + weights }

// A server that comes back gets a tenth more with each ninth of slowstart.
func TestSlowStart(t *testing.T) {
	r := both(t, slow(90*time.Second, rs1+" 1", rs2+" 1"))
	r.up(rs2, asked(rs1+"=10 "+rs2+"=1"))
	for _, step := range []string{"2", "3", "4", "5", "6", "7", "8", "9"} {
		r.pass(9 * time.Second)
		r.out.want(t, "nine seconds later")
		r.pass(time.Second)
		r.out.want(t, "ten seconds later", asked(rs1+"=10 "+rs2+"="+step))
	}
	r.pass(10 * time.Second)
	r.out.want(t, "in the end", asked(rs1+"=1 "+rs2+"=1"))
	r.pass(time.Hour)
	r.out.want(t, "after the end")
}

// Only servers that were seen out of use begin slowly.
func TestSlowStartIsForThoseWhoComeBack(t *testing.T) {
	v := slow(time.Minute, rs1, rs2)
	r := newReplay(t, conf(v))
	r.out.take()
	r.up(rs1)
	r.up(rs2, asked(rs1+"=1 "+rs2+"=1"))
	const rs3 = "192.168.80.130:80"
	r.c.configure(r.now, conf(slow(time.Minute, rs1, rs2, rs3)), nil)
	r.up(rs3, asked(rs1+"=1 "+rs2+"=1 "+rs3+"=1"))
}

// A server that fails its first checks was seen out of use.
func TestSlowStartAfterAFailedFirstCheck(t *testing.T) {
	r := newReplay(t, conf(slow(time.Minute, rs1, rs2)))
	r.result(rs1, nil)
	r.result(rs2, errBad)
	r.out.take()
	r.up(rs2, asked(rs1+"=10 "+rs2+"=1"))
}

// A failure that failurecount has passed over takes nothing away.
func TestSlowStartNotAfterASoftFailure(t *testing.T) {
	v := slow(time.Minute, rs1, rs2)
	v.FailureCount = 2
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.out.take()
	r.down(rs2)
	r.up(rs2)
}

func TestSlowStartAfterMaintenance(t *testing.T) {
	for name, check := range map[string]config.CheckType{"checked": config.CheckConnect, "checktype=on": config.CheckOn} {
		t.Run(name, func(t *testing.T) {
			v := slow(time.Minute, rs1, rs2)
			v.CheckType = check
			r := newReplay(t, conf(v))
			if check == config.CheckConnect {
				r.result(rs1, nil)
				r.result(rs2, nil)
			}
			orders{r.c}.maintain(r.now, map[string]string{rs2: "file"})
			r.out.take()
			orders{r.c}.maintain(r.now, map[string]string{})
			if check == config.CheckConnect {
				r.result(rs2, nil)
			}
			r.out.want(t, "maintenance has ended", asked(rs1+"=10 "+rs2+"=1"))
		})
	}
}

// A server that fails on its way takes the scale with it, and begins again.
func TestSlowStartFails(t *testing.T) {
	r := both(t, slow(20*time.Second, rs1+" 3", rs2+" 2", "192.168.80.130:80 1"))
	r.up("192.168.80.130:80", asked(rs1+"=3 192.168.80.130:80=1"))
	r.up(rs2, asked(rs1+"=30 "+rs2+"=2 192.168.80.130:80=10"))
	r.pass(11 * time.Second)
	r.out.take()
	r.down(rs2, asked(rs1+"=3 192.168.80.130:80=1"))
	r.pass(time.Minute)
	r.out.want(t, "while it is down")
	r.up(rs2, asked(rs1+"=30 "+rs2+"=2 192.168.80.130:80=10"))
}

// With quiescent=yes a server on its way down has weight 0 as ever.
func TestSlowStartQuiescent(t *testing.T) {
	v := slow(time.Minute, rs1, rs2)
	v.Quiescent = true
	r := both(t, v)
	r.up(rs2, asked(rs1+"=10 "+rs2+"=1"))
	r.down(rs2, asked(rs1+"=1 "+rs2+"=0"))
	r.up(rs2, asked(rs1+"=10 "+rs2+"=1"))
	r.down(rs1, asked(rs1+"=0 "+rs2+"=1"))
}

// A server that is alone gets everything, and what it has gained meanwhile
// counts when another one comes back.
func TestSlowStartAlone(t *testing.T) {
	r := both(t, slow(90*time.Second, rs1, rs2))
	r.down(rs1, asked(""))
	r.up(rs2, asked(rs2+"=1"))
	r.pass(45 * time.Second)
	r.out.want(t, "alone")
	r.up(rs1, asked(rs1+"=1 "+rs2+"=5"))
	r.down(rs2, asked(rs1+"=1"))
}

// A server of weight 0 has no slow start.
func TestSlowStartWeightZero(t *testing.T) {
	r := both(t, slow(time.Minute, rs1, rs2+" 0"))
	r.up(rs2, asked(rs1+"=1 "+rs2+"=0"))
	if st := r.c.services[0].status().Servers[1]; st.SlowStart != 0 {
		t.Errorf("status %+v", st)
	}
}

// Weights are not multiplied with schedulers for which a weight is no share.
func TestSlowStartOfOtherSchedulers(t *testing.T) {
	for _, scheduler := range []string{"rr", "lc", "sh", "dh", "mh", "fo", "ovf", "lblc", "lblcr"} {
		t.Run(scheduler, func(t *testing.T) {
			v := slow(time.Minute, rs1, rs2)
			v.Scheduler = scheduler
			both(t, v).up(rs2, asked(rs1+"=1 "+rs2+"=1"))
		})
	}
}

// A reload that takes the directive away ends what is under way; one that
// does not lets it go on, without a step back.
func TestSlowStartReload(t *testing.T) {
	r := both(t, slow(90*time.Second, rs1, rs2))
	r.result(rs2, nil)
	r.pass(45 * time.Second)
	r.out.take()
	r.c.configure(r.now, conf(slow(900*time.Second, rs1+" 2", rs2+" 2")), nil)
	r.out.want(t, "longer", asked(rs1+"=20 "+rs2+"=10"))
	r.pass(400 * time.Second)
	r.out.want(t, "at half of it")
	r.c.configure(r.now, conf(slow(0, rs1+" 2", rs2+" 2")), nil)
	r.out.want(t, "none", asked(rs1+"=2 "+rs2+"=2"))
}

// Great weights leave less room, the greatest none.
func TestSlowStartOfGreatWeights(t *testing.T) {
	for _, tt := range []struct{ heavy, light, first string }{
		{"6553", "1", rs1 + "=65530 " + rs2 + "=1"},
		{"6554", "1", rs1 + "=58986 " + rs2 + "=1"},
		{"65535", "1", rs1 + "=65535 " + rs2 + "=1"},
		{"65535", "65535", rs1 + "=65535 " + rs2 + "=6553"},
	} {
		both(t, slow(time.Minute, rs1+" "+tt.heavy, rs2+" "+tt.light)).up(rs2, asked(tt.first))
	}
}

func TestSlowStartStatus(t *testing.T) {
	r := both(t, slow(90*time.Second, rs1+" 4", rs2+" 3"))
	r.result(rs2, nil)
	r.pass(30 * time.Second)
	sv := r.c.services[0]
	sv.noteResult(sv.asked, nil)
	st := sv.status().Servers
	if st[0].SlowStart != 0 || st[1].SlowStart != 0.4 {
		t.Errorf("slow start %v and %v, want 0 and 0.4", st[0].SlowStart, st[1].SlowStart)
	}
	if st[0].Current != 4 || st[1].Current != 3 || st[1].Weight != 3 {
		t.Errorf("weights in force %d and %d, want those of the configuration", st[0].Current, st[1].Current)
	}
}

// With random events and weights, servers in a slow start never lose what they have
// gained and never get more than their weight, the others keep their shares of each
// other, and in the end all have exactly their weights.
func TestSlowStartProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		addrs := []string{rs1, rs2, "192.168.80.130:80", "192.168.80.140:80"}
		length := time.Duration(rapid.IntRange(1, 40).Draw(rt, "slowstart")) * time.Second
		v := slow(length)
		for _, a := range addrs {
			r := realServer(a)
			r.Weight = rapid.SampledFrom([]int{1, 2, 3, 10, 100, 6553, 6554, 30000, 65535}).Draw(rt, "weight")
			v.Reals = append(v.Reals, r)
		}
		v.Quiescent = rapid.Bool().Draw(rt, "quiescent")
		r := newReplay(t, conf(v))
		sh := newShares(r)
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			if a := rapid.SampledFrom(append(addrs, "clock")).Draw(rt, "event"); a == "clock" {
				r.pass(time.Duration(rapid.IntRange(1, 10).Draw(rt, "seconds")) * time.Second)
			} else {
				r.result(a, rapid.SampledFrom([]error{nil, errBad}).Draw(rt, "result"))
			}
			sh.look(rt)
		}
		for _, a := range addrs {
			r.result(a, nil)
		}
		r.pass(length)
		for i, w := range r.c.services[0].wanted().RealServers {
			if w.Weight != v.Reals[i].Weight {
				rt.Errorf("%s has weight %d in the end, want %d", w.Addr, w.Weight, v.Reals[i].Weight)
			}
		}
	})
}

// shares watches the weights that a replay asks for.
type shares struct {
	r    *replay
	last map[string]float64 // of those in a slow start: the share of their weight
}

func newShares(r *replay) *shares { return &shares{r: r, last: map[string]float64{}} }

func (sh *shares) look(t *rapid.T) {
	t.Helper()
	sv := sh.r.c.services[0]
	servers, scale := sv.wanted().RealServers, float64(max(1, sv.scale()))
	now := map[string]float64{}
	for _, s := range sv.servers {
		i := slices.IndexFunc(servers, func(r dataplane.RealServer) bool { return r.Addr == s.addr })
		if i < 0 || servers[i].Weight == 0 {
			continue
		}
		share := float64(servers[i].Weight) / (scale * float64(s.conf.Weight))
		switch slow := s.slowed(sv.scale()) > 0; {
		case servers[i].Weight > 65535:
			t.Errorf("weight %d", servers[i].Weight)
		case slow && (share > 1 || share < sh.last[s.addr.String()]):
			t.Errorf("%s has %v of its weight after %v", s.addr, share, sh.last[s.addr.String()])
		case !slow && share != 1:
			t.Errorf("%s has %v of its weight and is in no slow start", s.addr, share)
		case slow:
			now[s.addr.String()] = share
		}
	}
	sh.last = now
}

// The clock of the running director drives a slow start, within a second.
func TestSlowStartByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := slow(18*time.Second, rs1, rs2)
		v.CheckInterval, v.FastInterval, v.DownInterval = time.Second, time.Second, time.Second
		r := newFixture(t, conf(v))
		r.farm.set(rs2, "connect: connection refused")
		r.start()
		defer r.stop()
		time.Sleep(10 * time.Second)
		r.want(v, vip+": "+rs1+"=1")
		r.farm.set(rs2, "")
		time.Sleep(1500 * time.Millisecond)
		r.want(v, vip+": "+rs1+"=10 "+rs2+"=1")
		before := r.plane.changes()
		time.Sleep(30 * time.Second)
		r.want(v, vip+": "+rs1+"=1 "+rs2+"=1")
		if n := r.plane.changes() - before; n != rampSteps-1 {
			t.Errorf("%d changes after the first, want %d", n, rampSteps-1)
		}
	})
}

// changes is how often anything has been applied.
func (p *plane) changes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.trace)
}
