package engine

import (
	"log/slog"
	"testing"
	"time"
)

// TestLively: only a worker whose iterations follow each other closely lingers.
func TestLively(t *testing.T) {
	var now time.Duration
	e := New(Options{Workers: 1, Log: slog.New(slog.DiscardHandler), Clock: func() time.Duration { return now }})
	t.Cleanup(func() { _ = e.Close() })
	w, err := NewWorker(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Shut)
	for range livelyAfter {
		now += linger * time.Millisecond
		w.Iterate(0)
	}
	if w.lively != livelyAfter {
		t.Errorf("lively is %d among work, want %d", w.lively, livelyAfter)
	}
	now += linger*time.Millisecond + 1
	if w.Iterate(0); w.lively != 0 {
		t.Errorf("lively is %d after a rest, want 0", w.lively)
	}
}
