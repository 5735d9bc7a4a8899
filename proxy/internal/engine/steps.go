package engine

import "context"

// Steps runs a long job on every worker in steps, between which a worker handles
// its events: the worker calls step until it reports that nothing is left. Steps
// returns when every worker is done or has ended, or else with ctx's error; the
// job goes on then.
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

// Stepwise runs a job in steps on one worker, and sends to done when the job is
// done or the worker has ended.
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
