package loop

import (
	"context"
	"sync/atomic"
)

// places bound what all workers have together: connections, flows, stashes.
type places struct {
	limit   atomic.Int64
	taken   atomic.Int64
	refused atomic.Uint64
	vacated chan struct{} // holds one when the last has left
}

// take reports whether there was room.
func (p *places) take() bool {
	if p.taken.Add(1) > p.limit.Load() {
		p.leave()
		return false
	}
	return true
}

// full reports whether there is no room, over whether there is less than none:
// the limit has become lower.
func (p *places) full() bool { return p.taken.Load() >= p.limit.Load() }
func (p *places) over() bool { return p.taken.Load() > p.limit.Load() }

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
