package director

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/applier"
)

// kinds returns the events since the last call, in order, with the real server, if any.
func (s *effectLog) kinds() string {
	var all []string
	for _, e := range s.events {
		all = append(all, strings.TrimSpace(e.Event+" "+strings.TrimSuffix(e.Real, ":80")))
	}
	s.events = nil
	return strings.Join(all, ", ")
}

// TestEvents: each change is an event, once, whether somebody is mailed about it or not.
func TestEvents(t *testing.T) {
	const one, two = "192.168.80.110", "192.168.80.120"
	v := virtual(vip, rs1, rs2)
	v.Fallback, v.Quorum = fallback("127.0.0.1:80"), 2
	r := newReplay(t, conf(v))
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"down from the start", func() { r.result(rs1, errBad) }, "down " + one},
		{"both", func() { r.result(rs2, errBad) }, "down " + two + ", unusable, quorumlost, fallbackup 127.0.0.1"},
		{"nothing new", func() { r.result(rs2, errBad) }, ""},
		{"one is back", func() { r.result(rs1, nil) }, "up " + one + ", usable"},
		{"enough are back", func() { r.result(rs2, nil) }, "up " + two + ", quorumreached, fallbackdown 127.0.0.1"},
		{"maintenance", func() { orders{r.c}.maintain(r.now, map[string]string{rs1: "/m/web1"}) }, "maintenance " + one + ", quorumlost, fallbackup 127.0.0.1"},
		{"not served", func() { r.c.applied(r.now, v.ID, r.c.services[0].asked, errBad) }, "unserved"},
		{"still not", func() { r.c.applied(r.now, v.ID, r.c.services[0].asked, errBad) }, ""},
		{"served again", func() { r.c.applied(r.now, v.ID, r.c.services[0].asked, nil) }, "served"},
		{"changed by hand", func() { r.c.repaired(r.now, v.ID, "real server removed") }, "repaired"},
		{"refused", func() { note(r.c, r.now, refusedEvent(errors.New("a\nb\nc"))) }, "refused"},
		{"a server is gone", func() { next := virtual(vip, rs1); r.c.configure(r.now, conf(next), nil) }, "fallbackdown 127.0.0.1, removed " + two + ", unusable"},
		{"an order", func() {
			err := orders{r.c}.give(r.now, Order{Verb: VerbDrain, Real: one, By: "alice", Reason: "deploy"})
			if e := r.out.events; err != nil || len(e) == 0 || e[0].By != "alice" || e[0].Reason != "deploy" {
				t.Errorf("order: %v, %+v", err, e)
			}
		}, "order " + one},
		{"stop", func() { r.c.stop(r.now) }, "stopping"},
	} {
		r.now = r.now.Add(time.Second)
		step.do()
		all := r.out.events
		if got := r.out.kinds(); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
		for _, e := range all {
			about := e.Event != "refused" && e.Event != "stopping"
			if e.Version != 1 || e.Time != r.now || e.Host == "" || e.Text == "" || (e.Service == "tcp "+vip) != about {
				t.Errorf("%s: %+v", step.name, e)
			}
		}
	}
}

// Of a configuration that is refused an event has the first reason and says how many
// more there are: it may have hundreds.
func TestRefusedEvent(t *testing.T) {
	e := refusedEvent(config.Problems{
		{Severity: config.Error, Pos: config.Pos{File: "a.cf", Line: 2}, Text: "one"}, {Severity: config.Error, Text: "two"}, {Severity: config.Error, Text: "three"},
	})
	if e.Reason != "a.cf:2: error: one" || e.Text != "Configuration refused: a.cf:2: error: one and 2 more" {
		t.Errorf("%+v", e)
	}
}

func TestAbout(t *testing.T) {
	e := Event{Service: "tcp 10.0.0.100:80", Name: "www", Real: "192.168.80.110:80"}
	six := Event{Service: "tcp [2001:db8::1]:80", Real: "[2001:db8::7]:80"}
	for _, tt := range []struct {
		e             *Event
		service, real string
		want          bool
	}{
		{&e, "", "", true},
		{&e, "tcp 10.0.0.100:80", "", true},
		{&e, "10.0.0.100:80", "192.168.80.110", true},
		{&e, "www", "192.168.80.110:80", true},
		{&e, "udp 10.0.0.100:80", "", false},
		{&e, "", "192.168.80.11", false},
		{&six, "[2001:db8::1]:80", "2001:db8::7", true},
		{&six, "", "[2001:db8::7]:80", true},
		{&six, "", "2001", false},
		{&Event{Event: "reload"}, "www", "", false},
		{&Event{Event: "reload"}, "", "", true},
	} {
		if got := tt.e.About(tt.service, tt.real); got != tt.want {
			t.Errorf("%+v about %q %q: %v", tt.e, tt.service, tt.real, got)
		}
	}
}

// The events of a director are its own, too: start, reload, refusal, repair and stop, with
// numbers that grow.
func TestEventsOfADirector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1)
		r := newFixture(t, conf(v)).start()
		time.Sleep(2 * time.Second)
		_ = r.Reload(t.Context())
		r.edit("bad", nil, errBad)
		_ = r.Reload(t.Context())
		r.plane.changeElsewhere(v.ID, nil)
		time.Sleep(2 * applier.AuditPeriod)
		r.stop()
		found, lost, last := EventsOf(r.Director).After(0)
		var all []string
		for i, e := range found {
			all = append(all, e.Event)
			if i > 0 && e.Seq != found[i-1].Seq+1 || e.Seq > last || e.Time.Before(found[max(i-1, 0)].Time) {
				t.Errorf("event %d: %+v", i, e)
			}
		}
		if got := strings.Join(all, " "); got != "started up reload refused repaired stopping removed" || lost > 0 {
			t.Errorf("events: %s", got)
		}
		next := newEvents(time.Now().Add(time.Second))
		if seq := next.Add(Event{}); seq <= last {
			t.Errorf("the next director begins with %d, after %d", seq, last)
		}
	})
}

// TestRefusedEventHasTheError: the event of a refused configuration has its first error, although a
// warning stands before it.
func TestRefusedEventHasTheError(t *testing.T) {
	_, err := config.Parse(t.Context(), "a.cf", []byte("virtual=10.0.0.1:80\n\tservice=none\n\tquorm=2\n\tcheckcont=3\n"), config.Options{})
	if err == nil || strings.Count(err.Error(), "\n") == 0 {
		t.Fatalf("%v, want several problems", err)
	}
	e := refusedEvent(err)
	if !strings.Contains(e.Reason, "a.cf:3:") || strings.Contains(e.Reason, "warning") || !strings.Contains(e.Text, "more") {
		t.Errorf("%+v of\n%v", e, err)
	}
	if e := refusedEvent(errors.New("no such file")); e.Reason != "no such file" || e.Text != "Configuration refused: no such file" {
		t.Errorf("%+v", e)
	}
}
