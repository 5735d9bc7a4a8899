package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/config"
)

const (
	lastMails  = 4 * time.Second        // for all mails that are left at a stop
	afterDrain = 10 * time.Second       // for everything that follows the last connection
	hurried    = 700 * time.Millisecond // for a step that is told to hurry
)

// Start brings everything up, in an order in which nothing touches traffic
// before everything that can refuse has been asked. If it returns an error
// nothing is left running. The errors of a configuration are of type
// config.Problems. When ctx is done a step that hangs is left behind.
func (d *Daemon) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			_ = d.Stop(ctx)
		}
	}()
	for _, s := range []step{
		{"log", 0, d.openLog},
		{"scheduling policy", 0, d.leaveFIFO},
		{"sorry server", 0, d.openSorry},
		{"dataplane", 0, d.openDirector},
		{"admin", 0, d.openAdmin},
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

// A step is one of Start, or takes one back.
type step struct {
	what  string
	limit time.Duration // for how long it is waited for, 0 for as long as it takes
	do    func(context.Context) error
}

// run does it. What has not ended when its time is over, or soon after ctx is
// done, is left behind: ok is false then.
func (s step) run(ctx context.Context) (err error, ok bool) {
	done := make(chan error, 1)
	go func() { done <- s.do(ctx) }()
	hurry := make(chan struct{})
	defer context.AfterFunc(ctx, func() { time.AfterFunc(hurried, func() { close(hurry) }) })()
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

// onStop has Stop do something before what it was told earlier.
func (d *Daemon) onStop(what string, limit time.Duration, do func(context.Context) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.undo = append(d.undo, step{what, limit, do})
}

// Stop takes back what Start did, newest first, and joins the errors. What
// hangs is left behind: addresses and rules go within a second, and Stop ends
// within ten of the last connection that it waits for, whatever does not
// answer. A done ctx has it wait for nothing, and be over within a second. It
// may be called again, to no effect.
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

// last is what has to be taken back next.
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

// startDirector begins to serve. How that ends is what a stop is about: first
// comes what clients notice. Services are given up, and the addresses and rules
// that nobody needs any more; those of connections that are waited for go when
// these have ended. What only tells somebody comes after that.
func (d *Daemon) startDirector(ctx context.Context) error {
	d.onStop("virtual addresses", 3*time.Second, d.closeHost)
	if err := d.director.Start(ctx); err != nil {
		return err
	}
	d.onStop("execute", 0, d.children.wait)
	d.onStop("commands and mails", lastMails+time.Second, d.closeHooks)
	d.onStop("connections", 0, func(ctx context.Context) error {
		d.director.Drain(ctx)
		d.withdraw(d.inKernel)
		return nil
	})
	d.onStop("virtual services", 3*time.Second, func(context.Context) error {
		wait := d.director.Retire()
		tell(d.log, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (wait+afterDrain).Microseconds()))
		d.withdraw(d.stays)
		return nil
	})
	return nil
}

// closeHooks gives the operator's commands and the mails that are left their
// last seconds.
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

// stays reports whether a service goes on after it was given up: in the kernel,
// or until its connections have ended.
func (d *Daemon) stays(v *config.Virtual) bool {
	return d.inKernel(v) || !v.CleanStop && v.DrainTimeout > 0
}

// inKernel reports whether a service goes on without shunt.
func (d *Daemon) inKernel(v *config.Virtual) bool {
	k := dataplaneOf(v, d.plane.status.Name)
	return !v.CleanStop && k.inKernel && d.plane.opened(k.name)
}
