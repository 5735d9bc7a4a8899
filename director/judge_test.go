package director

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

const (
	rs3 = "192.168.80.130:80"
	rs4 = "192.168.80.140:80"
)

// judged is a service of four servers with one weight each and the sorry server.
func judged(change func(*config.Virtual)) config.Virtual {
	v := virtual(vip, rs1, rs2, rs3, rs4)
	v.Fallback = fallback("sorry")
	change(&v)
	return v
}

// allUp is a replay in which all servers of v are up.
func allUp(t *testing.T, v config.Virtual) *replay {
	t.Helper()
	r := newReplay(t, conf(v))
	for i := range v.Reals {
		r.result(v.Reals[i].Addr.String(), nil)
	}
	r.c.reports.alerts.phase = config.AlertRunning
	r.out.take()
	return r
}

// A quorum of 2 with a hysteresis of 1 is lost below 1 and reached at 3. Servers
// that are well keep their connections while the fallback answers.
func TestQuorum(t *testing.T) {
	r := allUp(t, judged(func(v *config.Virtual) {
		v.Quorum, v.Hysteresis, v.QuorumUp, v.QuorumDown = 3, 1, "/bin/up", "/bin/down"
	}))
	r.down(rs1, "apply "+vip+": "+rs2+"=1 "+rs3+"=1 "+rs4+"=1")
	r.down(rs2, "apply "+vip+": "+rs3+"=1 "+rs4+"=1")
	r.down(rs3, "/bin/down SHUNT_EVENT=quorumdown", "apply "+vip+": "+rs4+"=0 sorry=1")
	r.up(rs3, "apply "+vip+": "+rs3+"=0 "+rs4+"=0 sorry=1")
	r.up(rs1, "apply "+vip+": "+rs1+"=0 "+rs3+"=0 "+rs4+"=0 sorry=1")
	r.up(rs2, "/bin/up SHUNT_EVENT=quorumup", "apply "+vip+": "+rs1+"=1 "+rs2+"=1 "+rs3+"=1 "+rs4+"=1")
	var seen []string
	for _, tr := range r.c.reports.history.recent {
		if tr.Server == "quorum" || strings.HasPrefix(tr.Server, "fallback") {
			seen = append(seen, fmt.Sprintf("%s %s %s: %s", tr.Server, tr.From, tr.To, tr.Cause))
		}
	}
	if want := []string{
		"quorum reached lost: the usable real servers weigh 1, quorum=3 hysteresis=1",
		"fallback sorry standby active: the usable real servers weigh 1, quorum=3 hysteresis=1",
		"quorum lost reached: the usable real servers weigh 4, quorum=3 hysteresis=1",
		"fallback sorry active standby: a real server is usable",
	}; !slices.Equal(seen, want) {
		t.Errorf("transitions\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

// Webhooks and notify commands hear of a quorum that is lost and reached, after
// the real server that made it so, and not of the one that is reached at a start.
func TestQuorumEvents(t *testing.T) {
	v := judged(func(v *config.Virtual) {
		v.Fallback, v.Quorum, v.Webhook, v.Notify = nil, 4, "https://hooks.example.test/", "page"
	})
	const post = "post https://hooks.example.test "
	events := func(r *replay, addr string, err error) (told []string) {
		r.result(addr, err)
		for _, what := range r.out.take() {
			if strings.HasPrefix(what, "page") || strings.HasPrefix(what, post) {
				told = append(told, what)
			}
		}
		return told
	}
	start := newReplay(t, conf(v))
	for _, addr := range []string{rs1, rs2, rs3, rs4} {
		if got := strings.Join(events(start, addr, nil), "\n"); strings.Contains(got, "quorum") {
			t.Errorf("at a start: %s", got)
		}
	}
	r := allUp(t, v)
	for _, c := range []struct {
		err  error
		want []string
	}{
		{errBad, []string{"page SHUNT_EVENT=down", post + "down " + rs1 + " held 0", "page SHUNT_EVENT=quorumlost", post + "quorumlost  held 0"}},
		{nil, []string{"page SHUNT_EVENT=up", post + "up " + rs1 + " held 0", "page SHUNT_EVENT=quorumreached", post + "quorumreached  held 0"}},
	} {
		if got := events(r, rs1, c.err); !slices.Equal(got, c.want) {
			t.Errorf("told %q, want %q", got, c.want)
		}
	}
}

// Without a fallback, usable servers serve with and without a quorum; only the
// commands tell.
func TestQuorumWithoutFallback(t *testing.T) {
	r := allUp(t, judged(func(v *config.Virtual) {
		v.Fallback, v.Quorum, v.QuorumDown = nil, 4, "/bin/down"
	}))
	r.down(rs1, "/bin/down SHUNT_EVENT=quorumdown", "apply "+vip+": "+rs2+"=1 "+rs3+"=1 "+rs4+"=1")
	r.down(rs2, "apply "+vip+": "+rs3+"=1 "+rs4+"=1")
}

// At a start the quorum has to be reached, with the hysteresis, and it is not lost
// before all have been checked. A start beside a dataplane that serves goes on.
func TestQuorumAtAStart(t *testing.T) {
	v := judged(func(v *config.Virtual) {
		v.Quorum, v.Hysteresis, v.QuorumUp, v.QuorumDown = 2, 1, "/bin/up", "/bin/down"
	})
	r := newReplay(t, conf(v))
	r.up(rs1)
	r.up(rs2, "apply "+vip+": "+rs1+"=0 "+rs2+"=0 sorry=1")
	r.down(rs3)
	r.down(rs4, "/bin/down SHUNT_EVENT=quorumdown")
	r.up(rs3, "/bin/up SHUNT_EVENT=quorumup", "apply "+vip+": "+rs1+"=1 "+rs2+"=1 "+rs3+"=1")

	out := &effectLog{}
	found := &replay{t: t, c: newCluster(out, quiet()), out: out, now: t0}
	found.c.configure(t0, conf(v), []dataplane.VirtualService{Everything(&v)})
	out.take()
	found.down(rs1)
	found.down(rs2)
	found.up(rs3)
	found.down(rs4, "/bin/up SHUNT_EVENT=quorumup", "apply "+vip+": "+rs3+"=1")
}

// TestQuorumCommandsOfReloads: quorumdown runs at a stop, and at a reload without
// the service or without the commands. New commands are told how things stand.
func TestQuorumCommandsOfReloads(t *testing.T) {
	commands := func(up, down string) config.Virtual {
		return judged(func(v *config.Virtual) { v.Quorum, v.QuorumUp, v.QuorumDown = 2, up, down })
	}
	v, plain := commands("/bin/up", "/bin/down"), commands("", "")
	plain.Quorum = 1
	const gone, back = "/bin/down SHUNT_EVENT=quorumdown", "/bin/up2 SHUNT_EVENT=quorumup"
	r := allUp(t, v)
	r.c.configure(r.now, conf(v), nil)
	r.out.want(t, "a reload that changes nothing")
	r.c.configure(r.now, conf(commands("/bin/up2", "/bin/down")), nil)
	r.out.want(t, "another command", back)
	r.c.configure(r.now, conf(plain), nil)
	r.out.want(t, "no commands", gone)
	r.c.configure(r.now, conf(commands("/bin/up2", "/bin/down")), nil)
	r.out.want(t, "commands again", back)
	r.c.configure(r.now, conf(), nil)
	r.out.want(t, "no service", gone, "remove "+vip)

	r = allUp(t, v)
	r.c.stop(r.now)
	r.out.want(t, "a stop", gone, "remove "+vip)
}

// With maxdown=50% and four servers, those that fail third and fourth stay in use, and
// status says so.
func TestMaxDown(t *testing.T) {
	r := allUp(t, judged(func(v *config.Virtual) { v.MaxDown, v.EmailAlert = 50, []string{"ops"} }))
	r.down(rs3, "mail running ops: Deleted real server: "+rs3+" ("+vip+")", "apply "+vip+": "+rs1+"=1 "+rs2+"=1 "+rs4+"=1")
	r.down(rs1, "mail running ops: Deleted real server: "+rs1+" ("+vip+")", "apply "+vip+": "+rs2+"=1 "+rs4+"=1")
	kept := " in use although its checks fail: maxdown=50%"
	r.down(rs4, "mail running ops: Kept real server: "+rs4+" ("+vip+")"+kept)
	r.down(rs2, "mail running ops: Kept real server: "+rs2+" ("+vip+")"+kept)
	st := r.c.services[0].status()
	if got := st.Servers[3]; got.State != Pending && (got.State != Kept || got.Kept != "maxdown" || got.Current != 1) {
		t.Errorf("status %+v", got)
	}
	r.up(rs3, // there is room: of those that were kept, the first to fail goes
		"mail running ops: Added real server: "+rs3+" ("+vip+") (Weight set to 1)",
		"mail running ops: Deleted real server: "+rs4+" ("+vip+")",
		"apply "+vip+": "+rs2+"=1 "+rs3+"=1")
	r.up(rs2, "mail running ops: Added real server: "+rs2+" ("+vip+") (Weight set to 1)")
	r.c.configure(r.now, conf(judged(func(v *config.Virtual) { v.MaxDown = 25 })), nil)
	r.out.want(t, "a reload with maxdown=25%", "apply "+vip+": "+rs2+"=1 "+rs3+"=1 "+rs4+"=1")
}

// With failopen all serve when none is well; those in maintenance do not.
func TestFailOpen(t *testing.T) {
	r := allUp(t, judged(func(v *config.Virtual) { v.FailOpen, v.FallbackCommand = true, "/bin/notify" }))
	r.out.take()
	orders{r.c}.maintain(r.now, map[string]string{rs4: "rs4"})
	r.out.want(t, "maintenance", "apply "+vip+": "+rs1+"=1 "+rs2+"=1 "+rs3+"=1")
	r.down(rs1, "apply "+vip+": "+rs2+"=1 "+rs3+"=1")
	r.down(rs2, "apply "+vip+": "+rs3+"=1")
	r.down(rs3, "apply "+vip+": "+rs1+"=1 "+rs2+"=1 "+rs3+"=1")
	if st := r.c.services[0].status(); !st.FailOpen || st.FallbackActive {
		t.Errorf("status: failopen %v, fallback %v", st.FailOpen, st.FallbackActive)
	}
	if last := r.c.reports.history.recent[len(r.c.reports.history.recent)-1]; last.From != Up || last.To != Kept ||
		last.Cause != "its checks fail, and failopen=yes keeps it in use: connect: connection refused" {
		t.Errorf("the last transition is %+v", last)
	}
	r.up(rs2, "apply "+vip+": "+rs2+"=1")
	r.down(rs2, "apply "+vip+": "+rs1+"=1 "+rs2+"=1 "+rs3+"=1")
	all := map[string]string{rs1: "x", rs2: "x", rs3: "x", rs4: "x"}
	orders{r.c}.maintain(r.now, all)
	r.out.want(t, "all in maintenance", "/bin/notify start", "apply "+vip+": sorry=1")
}

// initstate=up serves at once, and the first failed check counts, whatever
// failurecount says; initstate=down takes nothing from a dataplane that serves.
// A server that is kept without having been up, or kept no more, has a cause that
// says why its checks fail.
func TestCausesOfKeptServers(t *testing.T) {
	v := judged(func(v *config.Virtual) { v.FailOpen = true })
	r := newReplay(t, conf(v))
	for i := range v.Reals {
		r.result(v.Reals[i].Addr.String(), errBad)
	}
	last := func(to State, cause string) {
		t.Helper()
		recent := r.c.reports.history.recent
		if got := recent[len(recent)-1]; got.To != to || got.Cause != cause {
			t.Errorf("%s %q, want %s %q", got.To, got.Cause, to, cause)
		}
	}
	last(Kept, "its checks fail, and failopen=yes keeps it in use: connect: connection refused")
	r.result(rs1, nil)
	last(Down, "its checks fail, and nothing keeps it in use any more: connect: connection refused")
}

func TestInitState(t *testing.T) {
	v := judged(func(v *config.Virtual) { v.InitState, v.FailureCount = config.InitUp, 3 })
	r := newReplay(t, conf(v))
	r.out.want(t, "start", "apply "+vip+": "+rs1+"=1 "+rs2+"=1 "+rs3+"=1 "+rs4+"=1")
	r.down(rs1, "apply "+vip+": "+rs2+"=1 "+rs3+"=1 "+rs4+"=1")
	r.up(rs2)
	r.down(rs2)
	r.down(rs2)
	r.down(rs2, "apply "+vip+": "+rs3+"=1 "+rs4+"=1")
	r.c.configure(r.now, conf(v), nil)
	r.out.want(t, "reload")

	for state, want := range map[string]bool{config.InitDown: false, config.InitKernel: true} {
		v.InitState = state
		c := newCluster(&effectLog{}, quiet())
		c.configure(t0, conf(v), []dataplane.VirtualService{Everything(&v)})
		if got := c.services[0].servers[0].state() == Up; got != want {
			t.Errorf("initstate=%s: up %v", state, got)
		}
	}
}

// A model of the judgement, for servers that each had a result: one line for each
// rule of the documentation.
type model struct {
	v       *config.Virtual
	failing []string // in the order in which they began to
	files   map[string]string
	reached bool
	ordered map[string]State // drain and maint
	weights map[string]int   // by order
}

// takers are the servers that could take clients.
func (m *model) takers() (all []config.Real) {
	for _, r := range m.v.Reals {
		a := r.Addr.String()
		if w, ok := m.weights[a]; ok {
			r.Weight = w
		}
		if r.Weight > 0 && m.files[a] == "" && m.ordered[a] == "" {
			all = append(all, r)
		}
	}
	return all
}

// serving returns the weights that clients are given by, and "fallback".
func (m *model) serving() map[string]int {
	var out []string
	takers := m.takers()
	for _, addr := range m.failing {
		taker := slices.ContainsFunc(takers, func(r config.Real) bool { return r.Addr.String() == addr })
		if taker && (len(out)+1)*100 <= m.v.MaxDown*len(takers) {
			out = append(out, addr)
		}
	}
	serving, sum, all := map[string]int{}, 0, map[string]int{}
	for _, r := range takers {
		all[r.Addr.String()] = r.Weight
		if !slices.Contains(out, r.Addr.String()) {
			serving[r.Addr.String()] = r.Weight
			sum += r.Weight
		}
	}
	if m.reached {
		m.reached = sum > 0 && sum >= m.v.Quorum-m.v.Hysteresis
	} else {
		m.reached = sum > 0 && sum >= m.v.Quorum+m.v.Hysteresis
	}
	switch {
	case m.reached:
		return serving
	case m.v.FailOpen && len(all) > 0:
		return all
	case m.v.Fallback != nil:
		return map[string]int{"fallback": 1}
	}
	return serving
}

func (m *model) result(addr string, ok bool) {
	at := slices.Index(m.failing, addr)
	switch {
	case ok && at >= 0:
		m.failing = slices.Delete(m.failing, at, at+1)
	case !ok && at < 0:
		m.failing = append(m.failing, addr)
	}
}

// With random results, maintenance, weights and reloads, the servers in use are those
// that the model says, the same states come of a reload, commands alternate, and a
// service with a server that is well, or a fallback, is never without anything that
// answers.
func TestJudgementProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		addrs := []string{rs1, rs2, rs3, rs4, "192.168.80.150:80"}[:rapid.IntRange(1, 5).Draw(rt, "servers")]
		draw := func() config.Virtual {
			v := virtual(vip)
			for _, a := range addrs {
				v.Reals = append(v.Reals, realServer(fmt.Sprintf("%s %d", a, rapid.IntRange(0, 3).Draw(rt, "weight"))))
			}
			v.Quiescent = rapid.Bool().Draw(rt, "quiescent")
			v.MaxDown = rapid.SampledFrom([]int{0, 20, 50, 67, 100}).Draw(rt, "maxdown")
			v.FailOpen = rapid.Bool().Draw(rt, "failopen")
			v.Quorum = rapid.IntRange(1, 6).Draw(rt, "quorum")
			v.Hysteresis = rapid.IntRange(0, v.Quorum).Draw(rt, "hysteresis")
			v.QuorumUp, v.QuorumDown = "up", "down"
			if rapid.Bool().Draw(rt, "fallback") {
				v.Fallback = fallback("sorry")
			}
			return v
		}
		v := draw()
		r := newReplay(t, conf(v))
		m := &model{v: &v, files: map[string]string{}}
		for _, a := range addrs { // all have a result before anything is compared
			ok := rapid.Bool().Draw(rt, "first")
			m.result(a, ok)
			r.result(a, map[bool]error{true: nil, false: errBad}[ok])
		}
		m.reached = r.c.services[0].quorum.reached // it depends on when the service began
		for range rapid.IntRange(1, 40).Draw(rt, "events") {
			switch rapid.SampledFrom([]string{"result", "result", "result", "maintenance", "reload", "same"}).Draw(rt, "event") {
			case "result":
				a, ok := rapid.SampledFrom(addrs).Draw(rt, "server"), rapid.Bool().Draw(rt, "ok")
				m.result(a, ok)
				r.result(a, map[bool]error{true: nil, false: errBad}[ok])
			case "maintenance":
				a := rapid.SampledFrom(addrs).Draw(rt, "server")
				if m.files[a] == "" {
					m.files[a] = "file"
				} else {
					delete(m.files, a)
				}
				orders{r.c}.maintain(r.now, maps.Clone(m.files))
			case "reload":
				v = draw()
				r.c.configure(r.now, conf(v), nil)
			case "same":
				r.c.configure(r.now, conf(v), nil)
			}
			compare(rt, r, m)
		}
	})
}

// compare compares what a replay asks for with what the model says.
func compare(rt *rapid.T, r *replay, m *model) {
	rt.Helper()
	sv, want, got := r.c.services[0], m.serving(), map[string]int{}
	if !sv.begun { // an edit can leave a service to wait for checks
		rt.Fatalf("the service has not begun")
	}
	for _, w := range sv.wanted().RealServers {
		switch {
		case w.Sorry:
			got["fallback"] = w.Weight
		case w.Weight > 0:
			got[w.Addr.String()] = w.Weight
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		rt.Fatalf("serving %v, want %v; failing in order %v, maintenance %v, %+v", got, want, m.failing, m.files, sv.quorum)
	}
	if sv.quorum.reached != m.reached {
		rt.Fatalf("quorum reached: %v, want %v", sv.quorum.reached, m.reached)
	}
	last := ""
	for _, l := range r.out.lines {
		if word, _, _ := strings.Cut(l, " SHUNT_EVENT"); word == "up" || word == "down" {
			if word == last {
				rt.Fatalf("%s ran twice in a row", word)
			}
			last = word
		}
	}
	if word := map[bool]string{true: "up", false: "down"}[m.reached]; last != "" && sv.settled() && last != word {
		rt.Fatalf("the latest command is %s, the quorum reached %v", last, m.reached)
	}
}
