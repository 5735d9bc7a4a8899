package loop

import "testing"

// All places are for somebody, each service has some to itself if there are
// enough, and none is lost as services and limits come and go.
func TestDivision(t *testing.T) {
	for limit := range int64(40) {
		for services := range int64(50) {
			var p places
			for range services {
				p.join(new(quota))
			}
			p.bound(limit)
			own, common := p.own.Load(), p.common.Load()
			if own*services+common != limit || common < 0 || services > 0 && limit >= services && own < 1 {
				t.Fatalf("%d for %d services: %d each and %d", limit, services, own, common)
			}
		}
	}
	var p places
	var a, b quota
	p.bound(10)
	p.join(&a)
	for range 10 {
		if !p.take(&a) {
			t.Fatal("one service does not get all")
		}
	}
	p.join(&b)
	if p.take(&b) {
		t.Error("more than there are")
	}
	p.leave(&a)
	p.leave(&a)
	if p.take(&a) {
		t.Error("one with more than its own and what is for all gets another")
	}
	p.bound(14)
	if p.own.Load() != 3 || p.lent.Load() != 5 {
		t.Errorf("%d each and %d lent of 8 in use by one, want 3 and 5", p.own.Load(), p.lent.Load())
	}
	p.bound(10)
	for range 2 {
		if !p.take(&b) {
			t.Error("one with less than its own gets none")
		}
	}
	p.bound(4)
	for range 8 {
		p.leave(&a)
	}
	p.leave(&b)
	p.leave(&b)
	if p.taken.Load() != 0 || p.lent.Load() != 0 || a.used() != 0 || b.used() != 0 {
		t.Errorf("%d taken, %d lent, %d and %d used, want none", p.taken.Load(), p.lent.Load(), a.used(), b.used())
	}
}
