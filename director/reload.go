package director

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/config/changes"
	"github.com/shunt-lb/shunt/director/internal/conffile"
)

// Reload reads the configuration and puts it in force. On an error the old one
// stays in force as a whole. Real servers whose check has not changed keep their
// state and connections. Reload waits for Start, and returns ErrStopped once Stop
// has begun. When it returns, the changes have been applied to the dataplane,
// unless that takes more than five seconds.
func (d *Director) Reload(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	entered := d.loader.search.Preempt()
	err := d.loader.lock(ctx)
	entered()
	if err == nil {
		err = d.loader.reload(ctx, false)
		d.loader.unlock()
	}
	if err == nil {
		d.settle(ctx)
	}
	if d.ctx.Err() != nil {
		return ErrStopped
	}
	return err
}

// A Plan is what a reload would do now, or has done.
type Plan struct {
	changes.Changes
	// Warnings are about the configuration, and Waiting is what it names and is not
	// there.
	Warnings []string `json:"warnings,omitempty"`
	Waiting  []string `json:"waiting,omitempty"`
}

// Plan reads the configuration as Reload does, and returns what that would change. It
// changes nothing; its errors are those of Reload.
func (o *Operator) Plan(ctx context.Context) (Plan, error) {
	l := o.d.loader
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	entered := l.search.Preempt()
	err := l.lock(ctx)
	entered()
	if err != nil {
		return Plan{}, err
	}
	defer l.unlock()
	src, err := (&conffile.File{Path: l.file.Path}).Load() // autoreload has not seen it by this
	if err != nil {
		return Plan{}, err
	}
	conf, err := l.o.Parse(ctx, src)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Changes: changes.Between(l.current, conf), Warnings: texts(conf.Warnings), Waiting: texts(conf.Waiting)}, nil
}

// Reloaded returns what the latest reload has done.
func (o *Operator) Reloaded(ctx context.Context) (p Plan, err error) {
	err = o.d.do(ctx, func() { p = Plan{Changes: o.d.changes, Warnings: o.d.conf.Warnings, Waiting: o.d.conf.Waiting} })
	return p, err
}

// settleTime is how long Reload waits for a slow dataplane.
const settleTime = 5 * time.Second

func (d *Director) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	_ = d.applier.Flush(ctx) // the applier goes on; Status shows errors
}

// reload is Reload with reading held. If nobody has asked for it, it does not
// remove all services.
func (l *loader) reload(ctx context.Context, byItself bool) error {
	conf, src, err := l.read(ctx)
	if err == nil && byItself && len(conf.Virtuals) == 0 && len(l.current.Virtuals) > 0 {
		err = fmt.Errorf("%s: there is no virtual service in it: autoreload does not take all of them away, `shunt reload` and SIGHUP do", l.file.Path)
	}
	if e := ctx.Err(); e != nil {
		l.file.Forget() // the next look reads it again
		return e
	}
	if err == nil {
		return l.putInForce(ctx, conf, src, false)
	}
	if e := l.do(l.ctx, func() { l.refused(err) }); e != nil {
		return e
	}
	return err
}

// putInForce puts conf in force. found means that it has the text in force, and
// something that this was waiting for.
func (l *loader) putInForce(ctx context.Context, conf *config.Config, src *config.Source, found bool) error {
	if err := l.replace(ctx, conf, src, found); err != nil {
		l.file.Forget() // the next look reads it again
		return err
	}
	l.follow(conf)
	return nil
}

// replace is putInForce without Options.Follow. It holds looking, so that no look
// at maintenancedir for the configuration before comes between.
func (l *loader) replace(ctx context.Context, conf *config.Config, src *config.Source, found bool) error {
	if err := l.acquire(ctx, l.looking); err != nil {
		return err
	}
	defer func() { <-l.looking }()
	files := l.lookAtMaintenance(ctx, conf)
	if err := ctx.Err(); err != nil {
		return err
	}
	l.setPaths(ctx, conf, true)
	changed := changes.Between(l.current, conf)
	l.setCurrent(conf, src)
	defer l.setPaths(ctx, conf, false)
	return l.do(l.ctx, func() { l.reloaded(conf, changed, files, found) })
}

// refused records a configuration that cannot be put in force. It runs in the
// loop.
func (d *Director) refused(err error) {
	if d.ctx.Err() != nil {
		return
	}
	d.conf.ReloadTried = time.Now()
	d.conf.ReloadFailures++
	d.conf.ReloadError = err.Error()
	note(d.cluster, d.conf.ReloadTried, refusedEvent(err))
	log := d.log
	if problems, ok := errors.AsType[config.Problems](err); ok {
		problems.Log(log)
		errs, warnings := problems.Counts()
		log = log.With("errors", errs, "warnings", warnings)
	} else {
		log = log.With("err", err)
	}
	log.Error("configuration is refused; the old one stays in force")
}

// reloaded puts conf in force. It runs in the loop.
func (d *Director) reloaded(conf *config.Config, changed changes.Changes, files map[string]string, found bool) {
	if d.ctx.Err() != nil {
		return // Stop has removed services, which must not come back
	}
	if !found { // only a reload says something about the file
		d.conf.ReloadTried = time.Now()
		d.conf.Reloads++
		d.conf.ReloadError = ""
	}
	d.changes = changed
	d.cluster.reports.alerts.phase = config.AlertReloading
	if d.o.InForce != nil {
		d.o.InForce(conf)
	}
	about := Event{Event: "reload", Text: "Configuration reloaded: " + conf.Path}
	if found {
		about = Event{Event: "found", Text: "Found what the configuration was waiting for: " + conf.Path}
	}
	note(d.cluster, time.Now(), about)
	d.activate(conf, nil, files)
	d.endPhase()
	if found {
		d.log.Info("found what the configuration was waiting for", "waiting", len(conf.Waiting))
		return
	}
	added, other, removed := changed.Count()
	d.log.Info("configuration reloaded", "services", len(conf.Virtuals), "added", added, "changed", other, "removed", removed, "warnings", len(conf.Warnings), "waiting", len(conf.Waiting))
}

// searchPeriod is the time between two looks whether it is time for a search.
const searchPeriod = time.Second

// seek looks again for names and files that the configuration in force waits for,
// when it is time, and puts the result in force. That is a reload of the text in
// force, even if the file has changed.
func (l *loader) seek() {
	if l.lock(l.ctx) != nil {
		return
	}
	defer l.unlock()
	before := l.current
	if l.o.Again == nil || len(before.Waiting) == 0 || time.Now().Before(l.search.Due) {
		return
	}
	file, settled := l.file.Settled()
	if !settled {
		return // it is read first
	}
	ctx, done := l.search.Begin(l.ctx, file)
	defer done()
	conf, err := l.o.Again(ctx, l.source, before)
	if ctx.Err() != nil {
		l.search.Due = time.Now().Add(max(l.search.Pause, 3*filePeriod)) // two looks at the file come first
		return
	}
	l.search.BackOff(time.Now())
	switch {
	case err != nil:
		l.search.LogOnce(l.log, err)
		_ = l.do(l.ctx, func() { l.conf.Waiting = append(texts(before.Waiting), err.Error()) })
	case conf.SameWait(before):
		_ = l.do(l.ctx, func() { l.conf.Waiting = texts(conf.Waiting) }) // for other reasons, perhaps
	default:
		_ = l.putInForce(l.ctx, conf, l.source, true)
	}
}
