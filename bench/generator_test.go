package bench

import (
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// Clients and real servers are apart where there are processors for both, and
// together where not.
func TestGeneratorUsesTheProcessorsThereAre(t *testing.T) {
	netlab.Test(t)
	direct, err := subject.Find(subject.Direct)
	if err != nil {
		t.Fatal(err)
	}
	for _, others := range [][]int{{0}, {0, 0}} {
		r, err := New(Options{
			Scenarios: []string{"requests"}, Connections: 4, Subjects: []*subject.Subject{direct},
			Rounds: 1, Duration: 200 * time.Millisecond, Warmup: 100 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.processors.Others = others
		run, err := r.Run(t.Context(), silent{})
		if err != nil {
			t.Fatal(err)
		}
		got := run.Measures[0].Rounds[0]
		if got.Operations == 0 || got.Errors > 0 || len(got.Reals) != 2 || got.Generator.Busy() <= 0 {
			t.Errorf("processors %v: %+v", others, got)
		}
	}
}

// silent is told of a run's progress.
type silent struct{}

func (silent) Doing(string) {}
func (silent) Step()        {}
