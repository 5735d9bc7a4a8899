package engine

import "testing"

// All places are for somebody, each service has some to itself if there are
// enough, and none is lost as services and limits come and go.
func TestDivision(t *testing.T) {
	for limit := range int64(40) {
		for services := range int64(50) {
			var p Limiter
			for range services {
				p.Join(new(Quota))
			}
			p.SetLimit(limit)
			own, common := p.own.Load(), p.common.Load()
			if own*services+common != limit || common < 0 || services > 0 && limit >= services && own < 1 {
				t.Fatalf("%d for %d services: %d each and %d", limit, services, own, common)
			}
		}
	}
	var p Limiter
	var a, b Quota
	p.SetLimit(10)
	p.Join(&a)
	for range 10 {
		if !p.Acquire(&a) {
			t.Fatal("one service does not get all")
		}
	}
	p.Join(&b)
	if p.Acquire(&b) {
		t.Error("more than there are")
	}
	p.Release(&a)
	p.Release(&a)
	if p.Acquire(&a) {
		t.Error("one with more than its own and what is for all gets another")
	}
	p.SetLimit(14)
	if p.own.Load() != 3 || p.lent.Load() != 5 {
		t.Errorf("%d each and %d lent of 8 in use by one, want 3 and 5", p.own.Load(), p.lent.Load())
	}
	p.SetLimit(10)
	for range 2 {
		if !p.Acquire(&b) {
			t.Error("one with less than its own gets none")
		}
	}
	p.SetLimit(4)
	for range 8 {
		p.Release(&a)
	}
	p.Release(&b)
	p.Release(&b)
	if p.taken.Load() != 0 || p.lent.Load() != 0 || a.used() != 0 || b.used() != 0 {
		t.Errorf("%d taken, %d lent, %d and %d used, want none", p.taken.Load(), p.lent.Load(), a.used(), b.used())
	}
}
