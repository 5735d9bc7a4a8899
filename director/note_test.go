package director

import (
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/request"
)

func percent(n int) *checks.Weight  { return &checks.Weight{N: n, Percent: true} }
func absolute(n int) *checks.Weight { return &checks.Weight{N: n} }

// note has a check of the real server at addr end well, with a note.
func (r *replay) note(addr string, n checks.Note, want ...string) {
	r.t.Helper()
	r.now = r.now.Add(time.Second)
	for id, members := range r.c.checkedBy {
		if members[0].s.conf.Addr.String() == addr {
			r.c.checked(id, prober.Result{At: r.now, Note: &n})
			r.c.catchUp()
		}
	}
	r.out.want(r.t, addr+" notes", want...)
}

// first returns the status of the first real server, after what was asked for has
// been applied.
func (r *replay) first() ServerStatus {
	sv := r.c.services[0]
	r.c.applied(r.now, sv.conf.ID, sv.asked, nil)
	return sv.status().Servers[0]
}

// TestNotes: what a real server asks for beside a good check changes its weight
// or its state, and stays until it asks for something else.
func TestNotes(t *testing.T) {
	const a, b = "10.0.0.1:80", "10.0.0.2:80"
	r := newReplay(t, conf(virtual("10.0.0.100:80", a+" 4", b+" 4")))
	r.up(a)
	r.up(b, "apply 10.0.0.100:80: 10.0.0.1:80=4 10.0.0.2:80=4")
	r.note(a, checks.Note{Weight: percent(75)}, "apply 10.0.0.100:80: 10.0.0.1:80=3 10.0.0.2:80=4")
	r.note(a, checks.Note{})
	r.note(a, checks.Note{Weight: percent(75)})
	r.note(a, checks.Note{Weight: absolute(9)}, "apply 10.0.0.100:80: 10.0.0.1:80=9 10.0.0.2:80=4")
	r.note(a, checks.Note{Admin: checks.Drain, Why: "backup"}, "apply 10.0.0.100:80: 10.0.0.1:80=0 10.0.0.2:80=4")
	if got := r.first(); got.State != Up || got.Current != 0 || got.Request != "drain, weight 9 (backup)" {
		t.Errorf("%+v", got)
	}
	r.note(a, checks.Note{Admin: checks.Maint}, "apply 10.0.0.100:80: 10.0.0.2:80=4")
	r.down(a) // nobody asks for it
	if got := r.first(); got.State != Maintenance {
		t.Errorf("%+v", got)
	}
	r.note(a, checks.Note{Admin: checks.Ready}, "apply 10.0.0.100:80: 10.0.0.1:80=9 10.0.0.2:80=4")
	r.note(a, checks.Note{Weight: percent(100)}, "apply 10.0.0.100:80: 10.0.0.1:80=4 10.0.0.2:80=4")
	if got := r.first().Request; got != "" {
		t.Errorf("%q is asked for", got)
	}
}

// TestNotedWeights: 0 stays 0, and what is above 0 stays above.
func TestNotedWeights(t *testing.T) {
	for _, tt := range []struct {
		configured int
		q          request.Request
		want       int
	}{
		{0, request.Request{Weight: *percent(100), Set: true}, 0},
		{0, request.Request{Weight: *absolute(7), Set: true}, 0},
		{1, request.Request{}, 1},
		{1, request.Request{Weight: *percent(1), Set: true}, 1},
		{1, request.Request{Weight: *percent(0), Set: true}, 0},
		{10, request.Request{Weight: *percent(25), Set: true}, 3},
		{65535, request.Request{Weight: *percent(1000), Set: true}, 65535},
		{5, request.Request{Weight: *absolute(253), Set: true}, 253},
		{5, request.Request{Weight: *absolute(0), Set: true}, 0},
		{5, request.Request{Admin: checks.Drain}, 0},
	} {
		if got := tt.q.Weigh(tt.configured); got != tt.want {
			t.Errorf("%+v of %d is %d, want %d", tt.q, tt.configured, got, tt.want)
		}
	}
}

// TestNoteEndsWithCheck: a reload with another check forgets what the one before
// has noted; one that changes something else does not.
func TestNoteEndsWithCheck(t *testing.T) {
	const a = "10.0.0.1:80"
	v := virtual("10.0.0.100:80", a+" 4")
	r := newReplay(t, conf(v))
	r.up(a, "apply 10.0.0.100:80: 10.0.0.1:80=4")
	r.note(a, checks.Note{Weight: percent(50), Expires: t0}, "apply 10.0.0.100:80: 10.0.0.1:80=2")
	v.Comment = "changed"
	r.c.configure(r.now, conf(v), nil)
	r.out.want(t, "reload")
	if got := r.first(); !got.Expires.Equal(t0) || got.Current != 2 {
		t.Errorf("%+v", got)
	}
	v.CheckPort = 81
	r.c.configure(r.now, conf(v), nil)
	got := strings.Join(r.out.take(), "; ")
	if got != "apply 10.0.0.100:80: 10.0.0.1:80=4" {
		t.Error(got)
	}
	if got := r.first(); !got.Expires.IsZero() {
		t.Errorf("%+v", got)
	}
}
