package director

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// parsed reads a file.
func parsed(t testing.TB, text string) *config.Config {
	t.Helper()
	c, err := config.Parse(t.Context(), "test.cf", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// edit puts another text of the file in force.
func (r *replay) edit(text string) {
	r.t.Helper()
	r.now = r.now.Add(time.Second)
	r.c.configure(r.now, parsed(r.t, text), nil)
}

// is compares state and weight of the first real server.
func (r *replay) is(when string, state State, weight int) {
	r.t.Helper()
	if s := r.first(); s.State != state || s.Current != weight {
		r.t.Errorf("%s: %s with weight %d, want %s with %d", when, s.State, s.Current, state, weight)
	}
}

const (
	agentFile   = "virtual=10.0.0.100:80\n\treal=10.0.0.1:80 masq 4\n\tchecktype=connect\n\tagent=9999\n"
	anotherLine = "\tcheck=connect port=81\n"
)

var (
	saysDown = &checks.Error{Check: "agent", Kind: checks.Status, Err: errBad}
	saysUp   = &checks.Note{Up: true}
)

// withAgent is a server that is up by its ordinary check and has an agent.
func withAgent(t *testing.T, text string) *replay {
	t.Helper()
	r := newReplay(t, parsed(t, text))
	r.port(80, nil, nil)
	return r
}

// The word of an agent goes on over a reload that gives the server one more check
// or takes it away.
func TestAgentOverAReload(t *testing.T) {
	r := withAgent(t, agentFile)
	r.port(9999, nil, &checks.Note{Admin: checks.Drain, Weight: percent(50)})
	r.is("drain", Up, 0)
	r.edit(agentFile + anotherLine)
	r.is("another check", Up, 0)
	r.port(9999, nil, &checks.Note{Admin: checks.Ready})
	r.is("ready", Up, 2)
	r.port(9999, saysDown, nil)
	r.is("down", Down, 0)
	r.edit(agentFile)
	r.port(80, nil, nil)
	r.is("one check less", Down, 0)
	r.edit(strings.Replace(agentFile, "masq 4", "masq 8", 1))
	r.port(9999, nil, saysUp)
	r.is("up", Up, 4)
	r.edit(strings.Replace(agentFile, "9999", "9998", 1))
	r.is("another agent", Up, 4)
}

// An agent's word stays when the file changes only how often it is asked. It is gone
// with the agent, and that is a transition with its cause.
func TestAgentOverAnotherPace(t *testing.T) {
	slower := func(text string) string { return "checkinterval=77\nchecktimeout=66\n" + text }
	for word, said := range map[State]prober.Result{
		Maintenance: {Note: &checks.Note{Admin: checks.Maint}},
		Down:        {Err: saysDown},
	} {
		r := withAgent(t, agentFile)
		r.port(9999, said.Err, said.Note)
		r.is("said", word, 0)
		r.edit(slower(agentFile))
		r.is("another pace", word, 0)
		r.port(80, nil, nil)
		r.is("another result", word, 0)
		before := len(r.c.reports.history.recent)
		r.edit(slower(strings.Replace(agentFile, "\tagent=9999\n", "", 1)))
		r.is("no agent", Up, 4)
		recent := r.c.reports.history.recent
		if len(recent) != before+1 || recent[before].From != word || recent[before].To != Up || recent[before].Cause != r.first().Cause {
			t.Errorf("%s: %d transitions, the last %+v", word, len(recent)-before, recent[len(recent)-1])
		}
	}
}

// Two checks of a server whose results come together make one transition.
func TestAgentAndCheckAtOnce(t *testing.T) {
	r := withAgent(t, agentFile)
	before := len(r.c.reports.history.recent)
	for id, members := range r.c.checkedBy {
		result := prober.Result{At: r.now, Err: errBad}
		if id.Addr().Port() == 9999 {
			result = prober.Result{At: r.now, Note: &checks.Note{Admin: checks.Maint}}
		}
		r.c.observeAll(members, result)
	}
	r.c.catchUp()
	if recent := r.c.reports.history.recent; len(recent) != before+1 || recent[before].To != Maintenance {
		t.Errorf("%+v", recent[before:])
	}
}

// A new check takes no server out before it fails. A server that is down by nothing
// but a check that is gone comes back at once, and the history says why.
func TestReloadOfOneOfSeveralChecks(t *testing.T) {
	r := withAgent(t, agentFile)
	r.edit(agentFile + anotherLine)
	r.is("before the first result", Up, 4)
	r.port(81, errBad, nil)
	r.is("after it", Down, 0)
	r.edit(agentFile + anotherLine + "\tcheck=connect port=82\n")
	r.port(82, nil, nil)
	r.is("another check", Down, 0)
	h := r.c.services[0].histories("")[0]
	if last := h.Checks[len(h.Checks)-2]; last.Check != "check=connect port=81" || last.OK {
		t.Errorf("history has %+v", h.Checks)
	}
	r.edit(agentFile + "\tcheck=connect port=82\n")
	r.is("without the check that fails", Up, 4)
	if s := r.first(); s.Cause != "the check that kept it down is no longer made" {
		t.Errorf("cause %q", s.Cause)
	}
	r.edit(agentFile + "\tcheck=connect port=82\n\tcheck=connect port=83\n")
	r.port(82, errBad, nil)
	r.edit(agentFile + "\tcheck=connect port=84\n")
	r.is("a check that fails has become another one", Down, 0)
	h = r.c.services[0].histories("")[0]
	if last := h.Checks[len(h.Checks)-1]; last.Check != "" || last.OK {
		t.Errorf("history has %+v", h.Checks)
	}
	r.port(84, nil, nil)
	r.is("which is good", Up, 4)
}

// A maintenance file takes a server out of use, whatever its checks say. They go on
// meanwhile, and decide when the file is gone; the agent's state counts as well.
func TestSeveralChecksAndMaintenance(t *testing.T) {
	r := withAgent(t, agentFile+anotherLine)
	r.port(81, nil, nil)
	r.is("start", Up, 4)
	file := map[string]string{"10.0.0.1:80": "10.0.0.1"}
	orders{r.c}.maintain(r.now, file)
	r.is("maintenance", Maintenance, 0)
	r.port(9999, nil, &checks.Note{Up: true, Weight: percent(50)})
	r.is("up", Maintenance, 0)
	orders{r.c}.maintain(r.now, nil)
	r.is("all are good", Up, 2)
	orders{r.c}.maintain(r.now, file)
	r.port(81, errBad, nil)
	orders{r.c}.maintain(r.now, nil)
	r.is("one is bad", Down, 0)
	r.port(81, nil, nil)
	r.is("both are good", Up, 2)
	r.port(9999, saysDown, nil)
	orders{r.c}.maintain(r.now, file)
	orders{r.c}.maintain(r.now, nil)
	r.port(80, nil, nil)
	r.port(81, nil, nil)
	r.is("the agent has said down", Down, 0)
	r.port(9999, nil, saysUp)
	r.is("up", Up, 2)
}

// The operator's weight of 0 stays 0, whatever an agent says.
func TestAgentWithWeightZero(t *testing.T) {
	r := withAgent(t, strings.Replace(agentFile, "masq 4", "masq 0", 1))
	for _, w := range []*checks.Weight{percent(100), absolute(7)} {
		r.port(9999, nil, &checks.Note{Up: true, Admin: checks.Ready, Weight: w})
		r.is("weight 0", Up, 0)
	}
}

// A server that an agent brings back begins slowly, and goes as far as the agent
// lets it.
func TestAgentAndSlowStart(t *testing.T) {
	r := newReplay(t, parsed(t, strings.Replace(agentFile, "\tagent", "\treal=10.0.0.2:80 masq 40\n\tslowstart=90\n\tagent", 1)))
	for id := range r.c.checkedBy {
		if id.Addr().Port() == 80 {
			r.c.checked(id, prober.Result{At: r.now})
		}
	}
	r.c.catchUp()
	say := func(err error, n *checks.Note) {
		r.now = r.now.Add(time.Second)
		for id := range r.c.checkedBy {
			if id.Addr().String() == "10.0.0.1:9999" {
				r.c.checked(id, prober.Result{At: r.now, Err: err, Note: n})
			}
		}
		r.c.catchUp()
	}
	say(saysDown, nil)
	r.is("down", Down, 0)
	r.out.take()
	say(nil, &checks.Note{Up: true, Weight: percent(50)})
	r.out.want(t, "up", "apply 10.0.0.100:80: 10.0.0.1:80=2 10.0.0.2:80=400")
	r.pass(2 * time.Minute)
	r.out.take()
	r.is("two minutes later", Up, 2)
}

// An agent's weight counts for the quorum.
func TestAgentAndQuorum(t *testing.T) {
	r := withAgent(t, agentFile+"\tquorum=3\n\tfallback=127.0.0.1:80 gate\n")
	for _, step := range []struct {
		percent int
		active  bool
	}{{100, false}, {50, true}, {75, false}} {
		r.port(9999, nil, &checks.Note{Weight: percent(step.percent)})
		if st := r.c.services[0].status(); st.FallbackActive != step.active {
			t.Errorf("%d%%: fallback active %v", step.percent, st.FallbackActive)
		}
	}
}

// With initstate=up the first failure of any check takes the server out, however
// many failurecount asks for; an agent's silence proves nothing.
func TestSeveralChecksAndInitState(t *testing.T) {
	text := agentFile + anotherLine + "\tinitstate=up\n\tfailurecount=3\n"
	r := newReplay(t, parsed(t, text))
	r.is("start", Up, 4)
	r.port(9999, errBad, nil)
	r.port(80, nil, nil)
	r.is("one check is good", Up, 4)
	r.port(81, errBad, nil)
	r.is("the other one is bad", Down, 0)
	r = newReplay(t, parsed(t, text))
	r.port(80, nil, nil)
	r.port(81, nil, nil)
	r.port(81, errBad, nil)
	r.is("a failure later", Up, 4)
}

// checktype=N has two kinds of ordinary checks, and further ones beside them.
func TestSeveralChecksWithCombined(t *testing.T) {
	r := withAgent(t, strings.Replace(agentFile, "checktype=connect", "checktype=3", 1)+anotherLine)
	r.is("one check is good", Down, 0)
	r.port(81, nil, nil)
	r.is("both are good", Up, 4)
	r.port(80, errBad, nil)
	if s := r.first(); s.State != Down || s.Cause != errBad.Error() || s.Checks[0].Check != "negotiate http, then 3 connects" {
		t.Errorf("%+v", s)
	}
}

// Of several checks that ask for a weight or a state, the strictest counts.
func TestSeveralRequests(t *testing.T) {
	r := withAgent(t, agentFile+"\tcheck=agent port=9998\n")
	r.port(9998, nil, &checks.Note{Up: true, Weight: percent(75)})
	r.is("75%", Up, 3)
	r.port(9999, nil, &checks.Note{Weight: percent(50), Why: "busy"})
	r.is("75% and 50%", Up, 2)
	r.port(9998, nil, &checks.Note{Weight: absolute(1), Why: "busier"})
	if r.is("1 and 50%", Up, 1); r.first().Request != "weight 1 (busier)" {
		t.Errorf("%q is asked for", r.first().Request)
	}
	r.port(9999, nil, &checks.Note{Admin: checks.Maint, Why: "upgrade"})
	r.port(9998, nil, &checks.Note{Admin: checks.Drain})
	r.is("maint and drain", Maintenance, 0)
	r.port(9999, nil, &checks.Note{Admin: checks.Ready})
	r.is("drain", Up, 0)
	r.port(9998, nil, &checks.Note{Admin: checks.Ready, Weight: percent(100)})
	r.is("ready", Up, 2)
	r.port(9998, errBad, nil)
	r.is("silence of what is a check", Down, 0)
}

// The cause is that of the first check that has found the server down, whoever
// fails last, and is followed by that of the other one.
func TestCauseOfSeveralFailures(t *testing.T) {
	r := withAgent(t, agentFile+anotherLine)
	r.port(81, nil, nil)
	r.port(81, errBad, nil)
	one := "check=connect port=81: " + errBad.Error()
	for range 3 {
		r.port(81, errBad, nil)
		if s := r.first(); s.Cause != one || s.Result != one {
			t.Errorf("cause %q, result %q", s.Cause, s.Result)
		}
	}
	r.port(80, errBad, nil)
	r.port(81, errBad, nil)
	if s := r.first(); s.Cause != errBad.Error() {
		t.Errorf("both fail: cause %q", s.Cause)
	}
	r.port(80, nil, nil)
	if s := r.first(); s.Cause != one || s.State != Down {
		t.Errorf("one is back: cause %q, %s", s.Cause, s.State)
	}
}

// Names of checks differ, and nothing in them is secret.
func TestNamesOfSeveralChecks(t *testing.T) {
	c := parsed(t, "virtual=10.0.0.100:80\n\treal=10.0.0.1:80 masq\n\tservice=http\n"+
		"\tcheck=http request=\"/a\" receive=\"b\"\n\tcheck=http request=\"/a\" receive=\"c\"\n"+
		"\tcheck=redis port=6379 passwd=s3cret\n\tcheck=http_proxy port=3128 request=\"http://me:s3cret@www.example.test/\"\n\tagent=9999 request=\"hello\"\n")
	want := []string{
		"negotiate http", `check=http request="/a"`, `check=http request="/a" #2`, "check=redis port=6379",
		`check=http_proxy port=3128 request="http://***@www.example.test/"`, `agent=9999 request="hello"`,
	}
	if d := cmp.Diff(want, spec.NamesOf(&c.Virtuals[0])); d != "" {
		t.Error(d)
	}
}
