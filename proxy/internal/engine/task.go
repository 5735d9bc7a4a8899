package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A task is what one worker is asked to do.
type task struct {
	taken atomic.Bool // by the worker, or back
	done  chan error
}

func (t *task) run(f func() error) {
	if t.taken.CompareAndSwap(false, true) {
		t.done <- f()
	}
}

// The reasons why a task has not been done in time.
var (
	errStuck = errors.New("a worker of the proxy is stuck")
	errBegun = fmt.Errorf("%w: it has begun and not ended what it was asked for", errStuck)
)

// moment is the time that every worker gets, even if the caller's context is done.
const moment = 200 * time.Millisecond

// wait returns what the task has come to, ErrClosed if the worker has ended. If
// ctx is done before the worker begins it is not done at all, which is an
// errStuck; a worker that does not end what it has begun is an errBegun.
func (t *task) wait(ctx context.Context) error {
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
	}
	if t.taken.CompareAndSwap(false, true) {
		return fmt.Errorf("%w: %w", errStuck, ctx.Err())
	}
	select {
	case err := <-t.done:
		return err
	case <-time.After(time.Second):
		return errBegun
	}
}

// ask has all of a team do something at once.
func ask(team []*Worker, f func(i int, w *Worker) error) []*task {
	tasks := make([]*task, len(team))
	for i, w := range team {
		tasks[i] = w.mailbox.begin(func() error { return f(i, w) })
	}
	return tasks
}

// askAll is ask, and returns what it has come to with each; see task.wait.
func askAll(ctx context.Context, team []*Worker, f func(i int, w *Worker) error) []error {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(moment, cancel) })()
	errs := make([]error, len(team))
	for i, t := range ask(team, f) {
		errs[i] = t.wait(late)
	}
	return errs
}

// Each has all workers that exist by now call do. It returns an error if one has
// not done so when ctx is done.
func (e *Engine) Each(ctx context.Context, do func(w *Worker)) error {
	return exceptClosed(askAll(ctx, e.Workers(), func(_ int, w *Worker) error { do(w); return nil }))
}

// request is ask, and waits until all is done or ctx is. What has not been done
// by then is done later.
func request(ctx context.Context, team []*Worker, f func(i int, w *Worker)) {
	for _, t := range ask(team, func(i int, w *Worker) error { f(i, w); return nil }) {
		select {
		case <-t.done: //nolint:errcheck // a worker that has ended has closed everything
		case <-ctx.Done():
			return
		}
	}
}

// exceptClosed joins errors but for those of workers that have ended, and have closed
// everything.
func exceptClosed(errs []error) error {
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, ErrClosed) })...)
}

// closeGrace is for how long workers are waited for that have opened something,
// where another one has not.
const closeGrace = time.Second

// closeUnlessOwned closes a socket that no worker has, unless one may have it all the
// same.
func closeUnlessOwned(fd int32, err error) {
	if !errors.Is(err, errBegun) {
		CloseFD(fd)
	}
}
