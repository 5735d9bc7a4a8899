package director

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// order gives an order as alice.
func (r *replay) order(verb Verb, real, weight string) {
	r.t.Helper()
	if err := (orders{r.c}).give(r.now, Order{Verb: verb, Real: real, Weight: weight, Reason: "deploy 4711", By: "alice (sudo)"}); err != nil {
		r.t.Fatalf("%s %s %s: %v", verb, real, weight, err)
	}
}

// With random results, orders, maintenance files and reloads, the servers in use are
// those that the model says; a drained server keeps its place in the dataplane unless
// it is down; and nobody is told of checks that fail while an order keeps a server
// out.
func TestOrdersProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		addrs := []string{rs1, rs2, rs3, rs4}[:rapid.IntRange(1, 4).Draw(rt, "servers")]
		draw := func() config.Virtual {
			v := virtual(vip)
			for _, a := range addrs {
				v.Reals = append(v.Reals, realServer(fmt.Sprintf("%s %d", a, rapid.IntRange(0, 3).Draw(rt, "weight"))))
			}
			v.Quiescent = rapid.Bool().Draw(rt, "quiescent")
			v.MaxDown = rapid.SampledFrom([]int{0, 50, 100}).Draw(rt, "maxdown")
			v.FailOpen = rapid.Bool().Draw(rt, "failopen")
			v.EmailAlert = []string{"ops@example.test"}
			if rapid.Bool().Draw(rt, "fallback") {
				v.Fallback = fallback("sorry")
			}
			return v
		}
		v := draw()
		r := newReplay(t, conf(v))
		m := &model{v: &v, files: map[string]string{}, ordered: map[string]State{}, weights: map[string]int{}}
		for _, a := range addrs {
			r.result(a, nil)
		}
		m.reached = r.c.services[0].quorum.reached
		for range rapid.IntRange(1, 40).Draw(rt, "events") {
			a := rapid.SampledFrom(addrs).Draw(rt, "server")
			r.out.lines = nil
			switch event := rapid.SampledFrom([]string{"result", "result", "drain", "maint", "ready", "weight", "file", "reload"}).Draw(rt, "event"); event {
			case "result":
				ok := rapid.Bool().Draw(rt, "ok")
				m.result(a, ok)
				r.result(a, map[bool]error{true: nil, false: errBad}[ok])
				about := func(l string) bool { return strings.HasPrefix(l, "mail") && strings.Contains(l, a) }
				if m.ordered[a] != "" && slices.ContainsFunc(r.out.lines, about) {
					rt.Fatalf("a check of a server with the order %s is mailed: %q", m.ordered[a], r.out.lines)
				}
			case "drain":
				m.ordered[a] = Drain
				r.order(VerbDrain, a, "")
			case "maint":
				m.ordered[a] = Maintenance
				r.order(VerbMaint, a, "")
			case "ready":
				delete(m.ordered, a)
				r.order(VerbReady, a, "")
			case "weight":
				if w := rapid.IntRange(-1, 3).Draw(rt, "ordered"); w < 0 {
					delete(m.weights, a)
					r.order(VerbWeight, a, "file")
				} else {
					m.weights[a] = w
					r.order(VerbWeight, a, fmt.Sprint(w))
				}
			case "file":
				if m.files[a] == "" {
					m.files[a] = "file"
				} else {
					delete(m.files, a)
				}
				orders{r.c}.maintain(r.now, maps.Clone(m.files))
			case "reload":
				v = draw()
				r.c.configure(r.now, conf(v), nil)
			}
			compare(rt, r, m)
			m.placed(rt, r)
		}
	})
}

// placed compares which servers the dataplane has, with a weight or without.
func (m *model) placed(rt *rapid.T, r *replay) {
	rt.Helper()
	has := map[string]int{}
	for _, w := range r.c.services[0].wanted().RealServers {
		has[w.Addr.String()] = w.Weight
	}
	for _, a := range slices.Sorted(maps.Keys(m.ordered)) {
		stays := m.v.Quiescent || m.ordered[a] == Drain && m.files[a] == "" && !slices.Contains(m.failing, a)
		if w, there := has[a]; there != stays || w != 0 {
			rt.Fatalf("%s with the order %s: in the dataplane %v with weight %d, want %v without", a, m.ordered[a], there, w, stays)
		}
	}
}

// A server that comes back begins slowly, and with the weight that is ordered.
func TestOrderedWeight(t *testing.T) {
	v := virtual(vip, rs1+" 4", rs2+" 4")
	v.Quiescent, v.SlowStart = true, 90*time.Second
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.out.take()
	r.order(VerbWeight, rs1, "50%")
	r.out.want(t, "weight 50%", "apply "+vip+": "+rs1+"=2 "+rs2+"=4")
	r.c.configure(r.now, conf(v), nil)
	r.out.want(t, "reload")
	r.order(VerbDrain, rs1, "")
	r.out.want(t, "drain", "apply "+vip+": "+rs1+"=0 "+rs2+"=4")
	r.order(VerbReady, rs1, "")
	r.out.want(t, "ready", "apply "+vip+": "+rs1+"=2 "+rs2+"=40") // a tenth of 2
	r.order(VerbWeight, rs1, "file")
	r.out.want(t, "weight file", "apply "+vip+": "+rs1+"=4 "+rs2+"=40")
	if s := r.c.services[0].servers[0]; s.order() != nil {
		t.Errorf("there still is an order: %+v", s.order())
	}
}

// Orders are about the servers that a name means, in one service or in all.
func TestOrderNames(t *testing.T) {
	web, mail := virtual(vip, rs1, rs2), virtual("10.0.0.100:25", "192.168.80.110:25", rs2)
	web.ServiceName, mail.ServiceName = "www", "mail"
	web.Reals[1].Name = "web2"
	r := newReplay(t, conf(web, mail))
	for _, tt := range []struct{ service, real, want string }{
		{"", rs1, "10.0.0.100:80 192.168.80.110:80"},
		{"", "192.168.80.110", "10.0.0.100:80 192.168.80.110:80, 10.0.0.100:25 192.168.80.110:25"},
		{"mail", rs2, "10.0.0.100:25 192.168.80.120:80"},
		{"tcp 10.0.0.100:80", "web2", "10.0.0.100:80 192.168.80.120:80"},
		{"10.0.0.100:80", "web2:80", "10.0.0.100:80 192.168.80.120:80"},
		{"", "192.168.80.111", "no real server is called 192.168.80.111: there is 192.168.80.110:25, 192.168.80.110:80, 192.168.80.120:80"},
		{"mail", "web2", "no real server is called web2 in mail: there is 192.168.80.110:25, 192.168.80.120:80"},
		{"wwv", rs1, "no virtual service is called wwv: there is www, mail, tcp 10.0.0.100:25"},
	} {
		err := orders{r.c}.give(r.now, Order{Verb: VerbDrain, Real: tt.real, Service: tt.service, By: "alice"})
		var got []string
		for _, st := range (orders{r.c}).status(tt.service, tt.real) {
			got = append(got, strings.TrimPrefix(st.Service, "tcp ")+" "+st.Real)
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("drain %q in %q: %s, want %s", tt.real, tt.service, text, tt.want)
		}
	}
}

func TestWrongOrders(t *testing.T) {
	r := newReplay(t, conf(virtual(vip, rs1)))
	for _, o := range []Order{
		{},
		{Verb: "stop", Real: rs1},
		{Verb: VerbDrain},
		{Verb: VerbDrain, Real: rs1, Weight: "3"},
		{Verb: VerbWeight, Real: rs1},
		{Verb: VerbWeight, Real: rs1, Weight: "-1"},
		{Verb: VerbWeight, Real: rs1, Weight: "+1"},
		{Verb: VerbWeight, Real: rs1, Weight: "65536"},
		{Verb: VerbWeight, Real: rs1, Weight: "a%"},
		{Verb: VerbDrain, Real: rs1, Reason: "two\nlines"},
		{Verb: VerbDrain, Real: rs1, Reason: strings.Repeat("x", 201)},
	} {
		if err := (orders{r.c}).give(r.now, o); err == nil {
			t.Errorf("%+v: %+v, want an error", o, orders{r.c}.status(o.Service, o.Real))
		}
	}
	if s := r.c.services[0].servers[0]; s.few != nil {
		t.Errorf("a wrong order leaves %+v", s.few)
	}
}

// The servers of a reload keep their orders, also those whose names have no address for
// a while; those that are gone lose them.
func TestOrdersOverReloads(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.order(VerbDrain, rs1, "")
	r.order(VerbMaint, rs2, "")
	states := func(want ...State) {
		t.Helper()
		var got []State
		for _, s := range r.c.services[0].servers {
			got = append(got, s.state())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("states %v, want %v", got, want)
		}
	}
	states(Drain, Maintenance)
	r.c.configure(r.now, conf(v), nil)
	states(Drain, Maintenance)
	waiting := conf(virtual(vip, rs2))
	waiting.Waiting = config.Problems{{}}
	r.c.configure(r.now, waiting, nil)
	states(Maintenance)
	r.c.configure(r.now, conf(v), nil)
	states(Drain, Maintenance)
	r.c.configure(r.now, conf(virtual(vip, rs1)), nil)
	states(Drain)
	r.c.configure(r.now, conf(v), nil)
	if states(Drain, Down); len(r.c.parked) > 0 {
		t.Errorf("parked: %v", r.c.parked)
	}
}

// A server of a UDP service that is drained, or in maintenance by order, leaves it after
// three seconds, if that moves its flows, and is back with ready.
func TestDrainedFlowsMove(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.ID.Protocol, v.Quiescent = dataplane.UDP, true
	r := newReplay(t, conf(v))
	r.result(rs1, nil)
	r.result(rs2, nil)
	r.out.take()
	r.order(VerbDrain, rs1, "")
	r.out.want(t, "drain", "apply "+vip+": "+rs1+"=0 "+rs2+"=1")
	r.now = r.now.Add(time.Minute)
	r.c.tick(r.now)
	r.out.want(t, "nobody knows whether they move")
	r.c.services[0].servers[0].order().moves = true
	r.order(VerbReady, rs1, "")
	r.out.take()
	r.order(VerbDrain, rs1, "")
	r.c.services[0].servers[0].order().moves = true
	r.out.take()
	r.now = r.now.Add(2 * time.Second)
	r.c.tick(r.now)
	r.out.want(t, "answers are under way")
	r.now = r.now.Add(time.Second)
	r.c.tick(r.now)
	r.out.want(t, "it leaves", "apply "+vip+": "+rs2+"=1")
	r.order(VerbReady, rs1, "")
	r.out.want(t, "ready", "apply "+vip+": "+rs1+"=1 "+rs2+"=1")
	r.order(VerbMaint, rs1, "")
	r.c.services[0].servers[0].order().moves = true
	r.out.want(t, "maint", "apply "+vip+": "+rs1+"=0 "+rs2+"=1")
	r.now = r.now.Add(3 * time.Second)
	r.c.tick(r.now)
	r.out.want(t, "it leaves by maint too", "apply "+vip+": "+rs2+"=1")
}

// A fallback answers by order although servers are usable, which keep their
// connections; a service without one cannot.
func TestFallbackByOrder(t *testing.T) {
	v := virtual(vip, rs1)
	v.Fallback = fallback("sorry")
	r := newReplay(t, conf(v, virtual("10.0.0.200:80", rs1)))
	r.result(rs1, nil)
	r.out.take()
	give := func(service string, on bool) error {
		return orders{r.c}.setFallbackOrder(r.now, FallbackOrder{Service: service, On: on, By: "alice", Reason: "planned"})
	}
	if err := give(vip, true); err != nil {
		t.Fatal(err)
	}
	r.out.want(t, "on", "apply "+vip+": "+rs1+"=0 sorry=1")
	if st := r.c.services[0].status(); !st.FallbackActive || st.Admin == nil || st.Admin.By != "alice" {
		t.Errorf("status: %+v", st)
	}
	r.down(rs1, "apply "+vip+": sorry=1", "apply 10.0.0.200:80: ")
	r.up(rs1, "apply "+vip+": "+rs1+"=0 sorry=1", "apply 10.0.0.200:80: "+rs1+"=1")
	r.c.configure(r.now, conf(v, virtual("10.0.0.200:80", rs1)), nil)
	r.out.want(t, "reload")
	if err := give(vip, false); err != nil {
		t.Fatal(err)
	}
	r.out.want(t, "off", "apply "+vip+": "+rs1+"=1")
	if err := give("10.0.0.200:80", true); err == nil || !strings.Contains(err.Error(), "fallback = sorry") {
		t.Errorf("a service without a fallback: %v", err)
	}
}
