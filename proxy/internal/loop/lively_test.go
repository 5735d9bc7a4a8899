package loop

import (
	"testing"
	"time"
)

// Only a worker whose turns follow each other closely lingers.
func TestLively(t *testing.T) {
	r := newCrank(t, func(*Engine) {})
	for range livelyAfter {
		r.now += linger * time.Millisecond
		r.w.turn(0)
	}
	if r.w.lively != livelyAfter {
		t.Errorf("lively is %d among work, want %d", r.w.lively, livelyAfter)
	}
	r.now += linger*time.Millisecond + 1
	if r.w.turn(0); r.w.lively != 0 {
		t.Errorf("lively is %d after a rest, want 0", r.w.lively)
	}
}
