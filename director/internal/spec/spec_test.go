package spec

import (
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
)

func parse(t *testing.T, head, tail string) *Check {
	t.Helper()
	c, err := config.Parse(t.Context(), "test.cf", []byte(head+"virtual=10.0.0.100:80\n\treal=10.0.0.1:80 gate\n\tservice=http\n\trequest=\"a.html\"\n"+tail), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return For(&c.Virtuals[0], &c.Virtuals[0].Reals[0])
}

// A check by the VIP has a place for what it finds out beside its verdict.
func TestNoteByVIP(t *testing.T) {
	c := parse(t, "", "")
	if c.Note() != nil {
		t.Error("a plain check has a note")
	}
	before := c.ID
	c.SetPath(checks.Path{Mark: 1})
	if c.Note() == nil || c.ID == before {
		t.Error("a check by the VIP has no note, or is the same check")
	}
}

// The pace makes a check another one that asks the same.
func TestSameQuestion(t *testing.T) {
	a, pace, other := parse(t, "", ""), parse(t, "checkinterval=7\nchecktimeout=3\nnegotiatetimeout=2\n", ""), parse(t, "", "\tcheckport=81\n")
	if a.ID == pace.ID || !a.SameQuestion(pace.ID) || !pace.SameQuestion(a.ID) {
		t.Error("the pace changes what is asked")
	}
	if a.SameQuestion(other.ID) {
		t.Error("another port is the same question")
	}
}
