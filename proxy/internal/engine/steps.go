package engine

import "context"

// Steps has every worker do something a step at a time, so that others have
// their turn in between: step is called by the worker until it reports that
// there is nothing left. It returns when all have done it or have ended, or
// else with ctx's error; then it is done all the same.
func (e *Engine) Steps(ctx context.Context, begin func(w *Worker) (step func() bool)) error {
	workers := e.Workers()
	done := make(chan struct{}, len(workers))
	for _, w := range workers {
		w.Stepwise(begin(w), done)
	}
	for range workers {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Stepwise has one worker do what Steps describes, and sends to done when it has
// done it or has ended.
func (w *Worker) Stepwise(step func() bool, done chan<- struct{}) {
	next := func() {
		if step() {
			w.Stepwise(step, done)
		} else {
			done <- struct{}{}
		}
	}
	if !w.Post(next) {
		done <- struct{}{}
	}
}

// Shares returns a step that calls end with each number below size, up to a
// share of those for which it reports true.
func Shares(share int, size func() int32, end func(i int32) bool) (step func() bool) {
	at := int32(0)
	return func() (more bool) {
		left := share
		for ; left > 0 && at < size(); at++ {
			if end(at) {
				left--
			}
		}
		return left == 0
	}
}
