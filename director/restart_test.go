package director

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/statefile"
)

// orderedStates are the states of all servers, with who has ordered them.
func orderedStates(s Status) (all []string) {
	for _, sv := range s.Services {
		for _, r := range sv.Servers {
			text := string(r.State)
			if r.Admin != nil {
				text += " by " + r.Admin.By + ": " + r.Admin.Reason
				if !r.Admin.Saved {
					text += " (not saved)"
				}
			}
			all = append(all, text)
		}
	}
	return all
}

// TestStateFileOverRestarts: orders are in force again before anything is given to the
// dataplane, with who gave them and why; those that were taken back are not. An outage
// of more than statemaxage ends them, whatever their age.
func TestStateFileOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2, rs3+" 4")
		v.Quiescent, v.CleanStop = true, false
		c := conf(v)
		c.Global.StateMaxAge = 20 * time.Minute
		path := filepath.Join(t.TempDir(), "state")
		start := func() *fixture {
			r := newFixture(t, c)
			r.o.State = path
			r.start()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			return r
		}
		r := start()
		give := func(o Order) {
			t.Helper()
			o.By, o.Reason = "alice (sudo)", "deploy 4711"
			if all, err := OperatorOf(r.Director).Order(t.Context(), o); err != nil || o.Verb != VerbReady && !all[0].Saved {
				t.Fatalf("%+v: %+v, %v", o, all, err)
			}
		}
		give(Order{Verb: VerbDrain, Real: rs1})
		give(Order{Verb: VerbMaint, Real: rs2})
		give(Order{Verb: VerbReady, Real: rs2})
		give(Order{Verb: VerbWeight, Real: rs3, Weight: "9"})
		want := []string{"drain by alice (sudo): deploy 4711", "up", "up by alice (sudo): deploy 4711"}
		time.Sleep(time.Hour) // the age of an order counts for nothing
		r.stop()
		time.Sleep(10 * time.Minute)

		r = start()
		if got := orderedStates(r.status()); !slices.Equal(got, want) {
			t.Errorf("after a restart: %q, want %q", got, want)
		}
		r.want(v, vip+": "+rs1+"=0 "+rs2+"=1 "+rs3+"=9")
		for _, served := range r.plane.trace {
			if !strings.Contains(served, rs1+"=0") {
				t.Errorf("a drained server was served after the restart: %s", served)
			}
		}
		r.stop()
		time.Sleep(time.Hour)

		r = start()
		if got, want := orderedStates(r.status()), []string{"up", "up", "up"}; !slices.Equal(got, want) {
			t.Errorf("after a long outage: %q, want %q", got, want)
		}
		r.stop()
		if _, err := os.Stat(path + ".bad"); err != nil {
			t.Errorf("the file is not set aside: %v", err)
		}
	})
}

// TestStateFileOfAnother: a file that is damaged, or about another configuration, is
// set aside, and the start goes on without it.
func TestStateFileOfAnother(t *testing.T) {
	for what, text := range map[string]string{
		"damaged": "shunt state 1\nsha256 00\n{}\n",
		"another": "shunt state 1\nsha256 ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356\n{}\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newFixture(t, conf(virtual(vip, rs1)))
			r.o.State = filepath.Join(t.TempDir(), "state")
			writeFile(t, r.o.State, text)
			r.start()
			defer r.stop()
			time.Sleep(2 * time.Second)
			r.want(virtual(vip, rs1), vip+": "+rs1+"=1")
			if _, err := os.Stat(r.o.State + ".bad"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
}

// TestKeptOrdersAreLogged: the log says which orders count again after a start, which end
// and which are too old, and what each is, also where that is a weight.
func TestKeptOrdersAreLogged(t *testing.T) {
	const service = "tcp " + vip
	kept := statefile.State{
		Orders: []statefile.Order{
			{Service: service, Real: rs1, Weight: new(5), By: "alice", Reason: "deploy 4711"},
			{Service: service, Real: rs2, State: "drain", By: "bob"},
			{Service: service, Real: rs3, State: "maintenance", Weight: new(0), By: "bob"},
		},
		Fallbacks: []statefile.Order{{Service: service, State: "active", By: "carol"}},
	}
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state")
		w := statefile.NewWriter(statefile.Options{Path: path, Log: quiet(), Done: func(uint64, error) {}})
		w.Save(1, kept)
		w.Close()
		w.Wait(t.Context())
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		said := func(text string) {
			t.Helper()
			for _, words := range []string{
				"real=" + rs1 + ` order="weight 5" by=alice reason="deploy 4711"`, "real=" + rs2 + " order=drain by=bob",
				"real=" + rs3 + ` order="maintenance, weight 0" by=bob`, `real="" order=active by=carol`,
			} {
				if line := text + ` service="` + service + `" ` + words; !strings.Contains(log.String(), line) {
					t.Errorf("not %s in\n%s", line, log.String())
				}
			}
			log.Reset()
		}
		other := conf(virtual("10.0.0.200:80", rs1))
		other.Path, other.Global.StateMaxAge = "", time.Hour
		c := newCluster(&effectLog{}, logger)
		orders{c}.restore(storedOrders(path, other, logger))
		said(`level=INFO msg="order of before counts"`)
		c.configure(time.Now(), other, nil)
		said(`level=INFO msg="order ends: the configuration has no such real server any more"`)
		time.Sleep(2 * time.Hour)
		storedOrders(path, other, logger)
		said(`level=WARN msg="order is too old to count"`)
	})
}

// After a restart the order is the cause of the state of a server that it keeps out, in
// the status and in events, whatever the dataplane had of it and its checks find.
func TestOrderIsTheCauseAfterARestart(t *testing.T) {
	for _, weight := range []int{0, 1} {
		for _, first := range []error{nil, errBad} {
			out := &effectLog{}
			r := &replay{t: t, c: newCluster(out, quiet()), out: out, now: t0}
			orders{r.c}.restore(statefile.State{Orders: []statefile.Order{
				{Service: "tcp " + vip, Real: rs1, State: "drain", By: "alice", Reason: "deploy 4711"},
				{Service: "tcp " + vip, Real: rs2, State: "maintenance", By: "bob"},
			}})
			v := virtual(vip, rs1, rs2)
			found := dataplane.VirtualService{ID: v.ID}
			for i := range v.Reals {
				found.RealServers = append(found.RealServers, dataplane.RealServer{Addr: v.Reals[i].Addr, Weight: weight})
			}
			r.c.configure(r.now, conf(v), []dataplane.VirtualService{found})
			causes := map[State]string{Drain: "drain by alice: deploy 4711", Maintenance: "maint by bob"}
			check := func(when string) {
				for _, s := range r.c.services[0].servers {
					if want := causes[s.state()]; want != "" && s.cause != want {
						t.Errorf("%s: %s is %s because of %q, want %q", when, s.conf.Addr, s.state(), s.cause, want)
					}
				}
				for _, e := range out.events {
					if want := causes[State(e.Event)]; want != "" && e.Reason != want {
						t.Errorf("%s: event %s because of %q, want %q", when, e.Event, e.Reason, want)
					}
				}
				out.events = nil
			}
			check("started")
			for _, err := range []error{first, nil, errBad, errBad, nil, nil} {
				r.result(rs1, err)
				r.result(rs2, err)
				check(cause(err))
			}
			if s := r.c.services[0].servers; s[0].state() != Drain || s[1].state() != Maintenance {
				t.Errorf("%s and %s", s[0].state(), s[1].state())
			}
		}
	}
}

// TestStateFileUnwritable: an order counts although it cannot be saved; the order and
// the status say so.
func TestStateFileUnwritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFixture(t, conf(virtual(vip, rs1, rs2)))
		folder := filepath.Join(t.TempDir(), "folder")
		r.o.State = filepath.Join(folder, "state")
		writeFile(t, folder, "a file in place of the folder")
		r.start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		all, err := OperatorOf(r.Director).Order(t.Context(), Order{Verb: VerbDrain, Real: rs1, By: "alice"})
		if err != nil || len(all) != 1 || all[0].Saved || all[0].Unsaved == "" || all[0].State != Drain {
			t.Fatalf("%+v, %v", all, err)
		}
		if s := r.status(); s.Unsaved == "" || s.Services[0].Servers[0].State != Drain {
			t.Errorf("status: %+v", s)
		}
		if err := os.Remove(folder); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if s := r.status(); s.Unsaved != "" || !s.Services[0].Servers[0].Admin.Saved {
			t.Errorf("tried again: %q, %+v", s.Unsaved, s.Services[0].Servers[0].Admin)
		}
	})
}

// A drain has ended when the dataplane says that no client is left; what it says of
// others counts for nothing.
func TestOrderEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		r := newFixture(t, conf(v)).start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		op := OperatorOf(r.Director)
		r.plane.clients(map[string]int{rs1: 2, rs2: 7})
		all, err := op.Order(t.Context(), Order{Verb: VerbDrain, Real: rs1, By: "alice"})
		if err != nil || all[0].Over || all[0].Active != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		over := func() bool {
			t.Helper()
			all, err := op.Orders(t.Context(), "", "")
			if err != nil || len(all) != 1 {
				t.Fatalf("%+v, %v", all, err)
			}
			return all[0].Over
		}
		time.Sleep(time.Second)
		if over() {
			t.Error("over with two connections")
		}
		r.plane.clients(map[string]int{rs2: 7})
		if over() {
			t.Error("over at the first look without connections")
		}
		time.Sleep(300 * time.Millisecond)
		if !over() {
			t.Error("not over without connections")
		}
		if all, err := op.Order(t.Context(), Order{Verb: VerbReady, Real: rs1, By: "bob"}); err != nil || !all[0].Over || all[0].Server != Up {
			t.Errorf("ready: %+v, %v", all, err)
		}
		if err := r.do(t.Context(), func() {
			if o := r.cluster.services[0].servers[0].order(); o != nil {
				t.Errorf("an order with its watch is left: %+v", o)
			}
		}); err != nil {
			t.Error(err)
		}
	})
}

// A blind plane cannot be read.
type blind struct {
	*plane
	looks int
}

func (p *blind) Look(context.Context, dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	p.looks++
	return dataplane.ServiceStatus{}, errors.New("no netlink")
}

// A dataplane that cannot be read is asked once for each service, and each order says
// why nothing is known.
func TestOrdersOfABlindDataplane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFixture(t, conf(virtual(vip, rs1, rs2), virtual("10.0.0.200:80", rs1, rs2)))
		p := &blind{plane: r.plane}
		r.o.Dataplane = p
		r.start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		op := OperatorOf(r.Director)
		for _, real := range []string{rs1, rs2} {
			if _, err := op.Order(t.Context(), Order{Verb: VerbDrain, Real: real, By: "alice"}); err != nil {
				t.Fatal(err)
			}
		}
		p.looks = 0
		all, err := op.Orders(t.Context(), "", "")
		if err != nil || len(all) != 4 || p.looks != 2 {
			t.Fatalf("%d looks for %+v, %v", p.looks, all, err)
		}
		for _, st := range all {
			if st.Over || st.Note != "the dataplane cannot be read: no netlink" {
				t.Errorf("%+v", st)
			}
		}
	})
}

// A server of a UDP service that an order keeps out has no clients left when its flows
// have moved, for which it has to leave the service.
func TestOrderOfFlowsEnds(t *testing.T) {
	for _, verb := range []Verb{VerbDrain, VerbMaint} {
		synctest.Test(t, func(t *testing.T) {
			v := virtual(vip, rs1, rs2)
			v.ID.Protocol, v.Quiescent = dataplane.UDP, true
			r := newFixture(t, conf(v)).start()
			defer r.stop()
			time.Sleep(2 * time.Second)
			op := OperatorOf(r.Director)
			if all, err := op.Order(t.Context(), Order{Verb: verb, Real: rs1, By: "alice"}); err != nil || all[0].Over {
				t.Fatalf("%s: %+v, %v", verb, all, err)
			}
			r.want(v, vip+": "+rs1+"=0 "+rs2+"=1")
			over := false
			for range 10 {
				time.Sleep(time.Second)
				all, err := op.Orders(t.Context(), "", rs1)
				if err != nil || len(all) != 1 || all[0].Over && r.plane.now(v) != vip+": "+rs2+"=1" {
					t.Fatalf("%s: %+v, %v while there is %s", verb, all, err, r.plane.now(v))
				}
				over = all[0].Over
			}
			if !over {
				t.Errorf("%s: not over after ten seconds", verb)
			}
		})
	}
}
