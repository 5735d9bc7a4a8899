package director

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/prober"
)

// severalFile is a service with an ordinary check, two further ones and an agent.
const severalFile = `virtual=10.0.0.100:80
	real=10.0.0.1:80 masq 4
	checktype=connect
	failurecount=%d
	risecount=%d
	check=connect port=81
	check=redis port=6379 passwd="s3cret"
	agent=9999
`

func severalConf(t testing.TB, fall, rise int) *config.Config {
	t.Helper()
	c, err := config.Parse(t.Context(), "several.cf", fmt.Appendf(nil, severalFile, fall, rise), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// port has the check of a port end with err.
func (r *replay) port(port uint16, err error, n *checks.Note) {
	r.now = r.now.Add(time.Second)
	for id := range r.c.checkedBy {
		if id.Addr().Port() == port {
			r.c.checked(id, prober.Result{At: r.now, Err: err, Note: n})
		}
	}
	r.c.catchUp()
}

// A server is up if and only if each check is, by failures and successes in a row,
// and the agent has not said down last; whatever order results come in.
func TestSeveralChecksAgreeWithTheModel(t *testing.T) {
	said, up := &checks.Error{Check: "agent", Kind: checks.Status, Err: errBad}, &checks.Note{Up: true}
	ports := []uint16{80, 81, 6379, 9999}
	rapid.Check(t, func(rt *rapid.T) {
		fall, rise := rapid.IntRange(1, 3).Draw(rt, "failurecount"), rapid.IntRange(1, 3).Draw(rt, "risecount")
		r := newReplay(t, severalConf(t, fall, rise))
		well, run := [4]bool{3: true}, [4]int{}
		seen := [4]bool{}
		for range rapid.IntRange(1, 60).Draw(rt, "results") {
			i, word := rapid.IntRange(0, 3).Draw(rt, "check"), rapid.SampledFrom([]string{"good", "bad", "silent", "weight"}).Draw(rt, "word")
			if i < 3 && (word == "silent" || word == "weight") { // an agent's alone
				word = "bad"
			}
			seen[i] = true
			switch word {
			case "good":
				run[i] = max(run[i], 0) + 1
				well[i] = well[i] || run[i] >= rise || i == 3
				r.port(ports[i], nil, up)
			case "bad":
				run[i] = min(run[i], 0) - 1
				well[i] = well[i] && run[i] > -fall && i != 3
				r.port(ports[i], said, nil)
			case "weight":
				r.port(ports[i], nil, &checks.Note{Weight: percent(50)})
			default:
				r.port(ports[i], errBad, nil)
			}
			s := r.c.services[0].servers[0]
			if want := well[0] && well[1] && well[2] && well[3]; s.health.Up != want || s.state() == Up != want {
				rt.Fatalf("%v, want up %v by %v", s.state(), want, well)
			}
			if got, want := s.checks.unchecked(), !seen[0] || !seen[1] || !seen[2]; got != want {
				rt.Fatalf("unchecked %v, want %v", got, want)
			}
		}
	})
}

// The cause names the check that fails. Status shows each check, and nothing secret.
func TestSeveralChecksAreShown(t *testing.T) {
	r := newReplay(t, severalConf(t, 1, 1))
	r.port(80, nil, nil)
	r.port(81, nil, nil)
	if s := r.c.services[0]; s.begun || s.settled() {
		t.Error("the service has begun without the first result of a check")
	}
	r.port(6379, nil, nil)
	if s := r.first(); s.State != Up {
		t.Fatalf("%+v", s)
	}
	r.port(6379, errBad, nil)
	r.port(80, nil, nil)
	s := r.first()
	const name = "check=redis port=6379"
	want := name + ": " + errBad.Error()
	if s.State != Down || s.Cause != want || s.Result != want || s.Reason != checks.Other || s.Fails != 1 {
		t.Errorf("%+v", s)
	}
	if len(s.Checks) != 4 || s.Checks[0].Check != "connect" || !s.Checks[0].OK || s.Checks[2].Check != name || s.Checks[2].OK || s.Checks[2].Result != errBad.Error() {
		t.Errorf("%+v", s.Checks)
	}
	h := r.c.services[0].histories("")[0]
	if last := h.Checks[len(h.Checks)-1]; last.Check != "connect" || !last.OK || h.Checks[3].Check != name || h.Checks[3].Result != errBad.Error() {
		t.Errorf("%+v", h.Checks)
	}
	if all := fmt.Sprintf("%+v %+v", r.c.services[0].status(), h); strings.Contains(all, "s3cret") {
		t.Errorf("the password is in %s", all)
	}
}

// An agent's answers count, and its silence does not.
func TestAgentBesideACheck(t *testing.T) {
	r := newReplay(t, severalConf(t, 1, 1))
	for _, port := range []uint16{80, 81, 6379} {
		r.port(port, nil, nil)
	}
	steps := []struct {
		err    error
		note   *checks.Note
		state  State
		weight int
	}{
		{errBad, nil, Up, 4},
		{nil, &checks.Note{Weight: percent(50)}, Up, 2},
		{errBad, nil, Up, 2},
		{nil, &checks.Note{Admin: checks.Drain}, Up, 0},
		{nil, &checks.Note{Admin: checks.Ready}, Up, 2},
		{&checks.Error{Check: "agent", Kind: checks.Status, Err: errBad}, nil, Down, 0},
		{errBad, nil, Down, 0},
		{nil, &checks.Note{Weight: percent(75)}, Down, 0}, // it alone takes back its word
		{nil, &checks.Note{Up: true}, Up, 3},
		{nil, &checks.Note{Admin: checks.Maint}, Maintenance, 0},
		{errBad, nil, Maintenance, 0},
		{nil, &checks.Note{Admin: checks.Ready}, Up, 3},
	}
	for i, step := range steps {
		r.port(9999, step.err, step.note)
		if s := r.first(); s.State != step.state || s.Current != step.weight {
			t.Errorf("step %d: %s with weight %d, want %s with %d", i, s.State, s.Current, step.state, step.weight)
		}
	}
	if s := r.first(); s.ChecksBad != 1 {
		t.Errorf("%d failed checks, want 1", s.ChecksBad)
	}
}

// Real checks ask a real server's web port, its database port and its agent.
func TestSeveralChecksOfARealServer(t *testing.T) {
	say := func(text string) net.Listener { return listen(t, "127.0.0.1:0", text) }
	web, database, agent := say(""), say(""), say("50%\n")
	c, err := config.Parse(t.Context(), "several.cf", fmt.Appendf(nil, `checkinterval=1
checktimeout=1
virtual=10.0.0.100:80
	real=%s masq 4
	checktype=connect
	check=connect port=%d
	agent=%d
`, web.Addr(), portOf(database), portOf(agent)), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var results []string
	for _, one := range Trials(c) {
		err := one.Run(t.Context(), nil).Err
		results = append(results, fmt.Sprint(one.Further, err))
	}
	if want := []string{"<nil>", fmt.Sprintf("check=connect port=%d<nil>", portOf(database)), fmt.Sprintf("agent=%d<nil>", portOf(agent))}; fmt.Sprint(results) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", results, want)
	}
	database.Close()
	for i, one := range Trials(c) {
		if err := one.Run(t.Context(), nil).Err; (err != nil) != (i == 1) {
			t.Errorf("check %d: %v", i, err)
		}
	}
}

func portOf(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }
