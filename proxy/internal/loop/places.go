package loop

import (
	"context"
	"sync/atomic"
)

// places bound the connections of all workers together.
type places struct {
	limit   int64
	taken   atomic.Int64
	vacated chan struct{} // holds one when the last has left
}

// take reports whether there was room.
func (p *places) take() bool {
	if p.taken.Add(1) > p.limit {
		p.leave()
		return false
	}
	return true
}

func (p *places) leave() {
	if p.taken.Add(-1) == 0 {
		p.signal()
	}
}

func (p *places) signal() {
	select {
	case p.vacated <- struct{}{}:
	default:
	}
}

// wait returns when nobody is there, or with ctx's error.
func (p *places) wait(ctx context.Context) error {
	for p.taken.Load() > 0 {
		select {
		case <-p.vacated:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.signal() // to others who wait
	return nil
}
