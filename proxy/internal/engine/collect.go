package engine

import (
	"context"
	"errors"
	"iter"
	"time"
)

// shareWait is how long a worker may take for a share before it counts as stuck.
const shareWait = 5 * time.Second

// slotShare is the number of slots that a worker looks at before it handles events
// again.
const slotShare = 256

// Slots returns what describe says of the slots with the numbers from on, of size in
// all, and the number from which on there are more, None for none: a share for Collect.
// describe returns false for a slot that holds nothing to tell of.
func Slots[T any](from, size int32, describe func(i int32) (T, bool)) (found []T, next int32) {
	to := min(from+slotShare, size)
	for i := from; i < to; i++ {
		if one, ok := describe(i); ok {
			if found == nil {
				found = make([]T, 0, to-i)
			}
			found = append(found, one)
		}
	}
	if to == size {
		return found, None
	}
	return found, to
}

// Collect iterates over what the workers hold, one worker after the other. share returns
// some of what a worker has from a number on, and the number from which on there may be
// more, None for the end. The worker calls it between events, and not before the caller
// has taken the share before: neither waits for the other. An error, which may be ctx's,
// ends the sequence. A worker that has ended holds nothing.
func Collect[T any](ctx context.Context, e *Engine, share func(w *Worker, from int32) (some []T, next int32)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, w := range e.Workers() {
			for next := int32(0); next != None; {
				some, after, err := shareOf(ctx, w, next, share)
				if err != nil {
					var none T
					yield(none, err)
					return
				}
				for _, one := range some {
					if !yield(one, nil) {
						return
					}
				}
				next = after
			}
		}
	}
}

// shareOf has a worker return a share.
func shareOf[T any](ctx context.Context, w *Worker, from int32, share func(*Worker, int32) ([]T, int32)) (some []T, next int32, err error) {
	if err := ctx.Err(); err != nil {
		return nil, None, err
	}
	ctx, cancel := context.WithTimeout(ctx, shareWait)
	defer cancel()
	err = w.mailbox.begin(func() error {
		some, next = share(w, from)
		return nil
	}).wait(ctx)
	switch {
	case errors.Is(err, ErrClosed):
		return nil, None, nil
	case err != nil:
		return nil, None, err // some belongs to the worker
	}
	return some, next, nil
}
