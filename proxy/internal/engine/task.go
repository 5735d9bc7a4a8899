package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A task is a function that one worker is asked to call.
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

// wait returns the error of the task, or ErrClosed if the worker has ended. If ctx
// is done before the worker begins the task, it is never done and the error is
// errStuck. If the worker has begun and does not end the error is errBegun.
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

// ask asks all workers of a team to call f, all at once.
func ask(team []*Worker, f func(i int, w *Worker) error) []*task {
	tasks := make([]*task, len(team))
	for i, w := range team {
		tasks[i] = w.mailbox.begin(func() error { return f(i, w) })
	}
	return tasks
}

// askAll is ask, and returns the error of each worker, see task.wait.
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

// Each makes all started workers call do. It returns an error if one has not done
// so when ctx is done.
func (e *Engine) Each(ctx context.Context, do func(w *Worker)) error {
	return exceptClosed(askAll(ctx, e.Workers(), func(_ int, w *Worker) error { do(w); return nil }))
}

// request is ask, and waits until all tasks or ctx are done. A late worker does its
// task later.
func request(ctx context.Context, team []*Worker, f func(i int, w *Worker)) {
	for _, t := range ask(team, func(i int, w *Worker) error { f(i, w); return nil }) {
		select {
		case <-t.done: //nolint:errcheck // a worker that has ended has closed everything
		case <-ctx.Done():
			return
		}
	}
}

// exceptClosed joins errors without those of workers that have ended, which have
// closed everything.
func exceptClosed(errs []error) error {
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, ErrClosed) })...)
}

// closeGrace is the time limit of workers to close their sockets after another one
// has failed to open its own.
const closeGrace = time.Second

// closeUnlessOwned closes a socket that a worker has not opened, unless err says
// that the worker may still open it.
func closeUnlessOwned(fd int32, err error) {
	if !errors.Is(err, errBegun) {
		CloseFD(fd)
	}
}
