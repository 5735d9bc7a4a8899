package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon/internal/neighbors"
)

const (
	lastMails  = 4 * time.Second        // for all mails that are left at a stop
	afterDrain = 10 * time.Second       // for everything after the last connection
	hurryTime  = 700 * time.Millisecond // for a step once its context is done
)

// Start starts everything, in an order in which nothing touches traffic before
// everything that can fail has succeeded. After an error nothing is left running.
// The errors of a configuration are of type config.Problems. When ctx is done
// Start does not wait for a step that hangs.
func (d *Daemon) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			logProblems(d.log, &d.o, err)
			_ = d.Stop(ctx)
		}
	}()
	for _, s := range []step{
		{"log", 0, d.openLog},
		{"scheduling policy", 0, d.leaveFIFO},
		{"sorry server", 0, d.openSorry},
		{"dataplane", 0, d.openDirector},
		{"admin", 0, d.openAdmin},
		{"pid file", 0, d.writePID},
		{"director", 0, d.startDirector},
		{"execute", 0, d.startChildren},
		{"service manager", 0, d.announce},
	} {
		if err, ok := s.run(ctx); !ok {
			return fmt.Errorf("start %s: %w", s.what, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// logProblems logs what is wrong with a configuration, if that is why Start fails and
// the log is to have it.
func logProblems(log *slog.Logger, o *Options, err error) {
	if problems, ok := errors.AsType[config.Problems](err); ok && o.LogProblems {
		problems.Log(log)
	}
}

// A step is one of Start or of Stop.
type step struct {
	what  string
	limit time.Duration // of its time, 0 for none
	do    func(context.Context) error
}

// run runs the step. ok is false if it has not ended when its time is over, or
// soon after ctx is done: then it goes on in its goroutine.
func (s step) run(ctx context.Context) (err error, ok bool) {
	done := make(chan error, 1)
	go func() { done <- s.do(ctx) }()
	hurry := make(chan struct{})
	defer context.AfterFunc(ctx, func() { time.AfterFunc(hurryTime, func() { close(hurry) }) })()
	var limit <-chan time.Time
	if s.limit > 0 {
		limit = time.After(s.limit)
	}
	select {
	case err := <-done:
		return err, true
	case <-limit:
	case <-hurry:
	}
	return errHangs, false
}

var errHangs = errors.New("it does not end and is left behind")

// onStop adds a step that Stop runs before the steps added earlier.
func (d *Daemon) onStop(what string, limit time.Duration, do func(context.Context) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.undo = append(d.undo, step{what, limit, do})
}

// Stop undoes the steps of Start, newest first, and joins the errors. It does not
// wait for steps that hang: addresses and rules are removed within a second, and
// Stop returns within ten seconds of the last connection that it waits for. Once
// ctx is done it waits for nothing and returns within a second. Stopping again
// does nothing.
func (d *Daemon) Stop(ctx context.Context) error {
	var errs []error
	for first := true; ; first = false {
		last, ok := d.last()
		if !ok {
			return errors.Join(errs...)
		}
		if first {
			d.log.Info("shunt stops")
		}
		if err, _ := last.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", last.what, err))
		}
	}
}

// last returns the next step of Stop.
func (d *Daemon) last() (s step, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.undo)
	if n == 0 {
		return step{}, false
	}
	s, d.undo = d.undo[n-1], d.undo[:n-1]
	return s, true
}

// startDirector starts to serve. A stop begins with the part that clients notice:
// it removes services, and the addresses and rules that nothing needs any more;
// those of connections that it waits for are removed when these have ended.
// Commands and mails come after that.
func (d *Daemon) startDirector(ctx context.Context) error {
	d.onStop("virtual addresses", 3*time.Second, d.host.close)
	if err := d.director.Start(ctx); err != nil {
		return err
	}
	d.onStop("execute", 0, d.children.wait)
	d.onStop("commands and mails", lastMails+time.Second, d.closeHooks)
	d.onStop("connections", 0, func(ctx context.Context) error {
		d.director.Drain(ctx)
		d.host.retain(d.plane.outlives)
		return nil
	})
	d.onStop("virtual services", 3*time.Second, func(context.Context) error {
		wait := d.director.Retire()
		tell(d.log, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (wait+afterDrain).Microseconds()))
		d.host.retain(d.plane.stays)
		return nil
	})
	d.watchNeighbors()
	return nil
}

// watchNeighbors asks who else answers for virtual addresses until the stop begins.
func (d *Daemon) watchNeighbors() {
	ctx, cancel := context.WithCancel(context.Background())
	watch := &neighbors.Watch{
		Log: d.log, Conf: d.current.Load, Tell: d.director.Warn,
		InKernel: func(v *config.Virtual) bool { return dataplaneOf(v, d.plane.status.Name).inKernel },
	}
	var running sync.WaitGroup
	running.Go(func() { watch.Run(ctx) })
	d.onStop("neighbours", 300*time.Millisecond, func(context.Context) error {
		cancel()
		running.Wait()
		return nil
	})
}

// closeHooks closes the director and the mails: both get a few seconds for the
// commands and mails that are left.
func (d *Daemon) closeHooks(ctx context.Context) error {
	var mails sync.WaitGroup
	mails.Go(func() { _ = d.closeMails(ctx) })
	defer mails.Wait()
	return d.director.Close(ctx)
}

func (d *Daemon) closeMails(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastMails)
	defer cancel()
	d.mails.Close(ctx)
	return nil
}

// stays reports whether a service goes on after a stop has begun: in the kernel, or
// until its connections have ended.
func (d *dataplanes) stays(v *config.Virtual) bool {
	return d.outlives(v) || !v.CleanStop && v.DrainTimeout > 0
}

// outlives reports whether a service goes on when this process has ended.
func (d *dataplanes) outlives(v *config.Virtual) bool {
	k := dataplaneOf(v, d.status.Name)
	return !v.CleanStop && k.inKernel && d.opened(k.name)
}
