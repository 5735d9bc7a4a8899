package director

import (
	"context"
	"fmt"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// Reload reads the configuration and puts it in force, or leaves the old one
// in force, whole, and returns why. Real servers whose check has not changed
// keep their state and connections. It waits for Start, and returns ErrStopped
// from when Stop begins. When it returns the dataplane has been given what has
// changed, unless that takes more than five seconds.
func (d *Director) Reload(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	inside := d.search.yield()
	err := d.lock(ctx)
	inside()
	if err == nil {
		err = d.reload(ctx, false)
		d.unlock()
	}
	if err == nil {
		d.settle(ctx)
	}
	if d.ctx.Err() != nil {
		return ErrStopped
	}
	return err
}

// settleTime is for how long whoever has asked for a reload waits for a slow
// dataplane.
const settleTime = 5 * time.Second

func (d *Director) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	_ = d.applier.flush(ctx) // what is late is tried on; Status tells of it
}

// reload is Reload with d.reading held. By itself, without anybody's order, it
// does not take all services away.
func (d *Director) reload(ctx context.Context, byItself bool) error {
	conf, text, err := d.read(ctx)
	if err == nil && byItself && len(conf.Virtuals) == 0 && len(d.current.Virtuals) > 0 {
		err = fmt.Errorf("%s: there is no virtual service in it: autoreload does not take all of them away, `shunt reload` and SIGHUP do", d.file.path)
	}
	if e := ctx.Err(); e != nil {
		d.file.forget() // it has been read to no effect
		return e
	}
	if err == nil {
		return d.adopt(ctx, conf, text, false)
	}
	if e := d.do(d.ctx, func() { d.refused(err) }); e != nil {
		return e
	}
	return err
}

// adopt puts conf in force; found says that it is of the text in force, with
// something that this was waiting for.
func (d *Director) adopt(ctx context.Context, conf *config.Config, text []byte, found bool) error {
	if err := d.replace(ctx, conf, text, found); err != nil {
		d.file.forget() // it has been read to no effect
		return err
	}
	d.follow(conf)
	return nil
}

// replace is adopt for the director itself. No look at maintenancedir for the
// configuration before comes between.
func (d *Director) replace(ctx context.Context, conf *config.Config, text []byte, found bool) error {
	if err := d.take(ctx, d.keeping); err != nil {
		return err
	}
	defer func() { <-d.keeping }()
	files := d.lookAtMaintenance(ctx, conf)
	if err := ctx.Err(); err != nil {
		return err
	}
	d.hold(conf, text)
	return d.do(d.ctx, func() { d.reloaded(conf, files, found) })
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
	d.log.Error("configuration is refused; the old one stays in force", "err", err)
}

// reloaded puts conf in force. It runs in the loop.
func (d *Director) reloaded(conf *config.Config, files map[string]string, found bool) {
	if d.ctx.Err() != nil {
		return // too late: nothing is to come back that Stop takes away
	}
	if !found { // what has become of the file says a reload alone
		d.conf.ReloadTried = time.Now()
		d.conf.Reloads++
		d.conf.ReloadError = ""
	}
	d.cluster.phase = config.AlertReloading
	if d.o.InForce != nil {
		d.o.InForce(conf)
	}
	d.enforce(conf, nil, files)
	d.running()
	if found {
		d.log.Info("found what the configuration was waiting for", "waiting", len(conf.Waiting))
		return
	}
	d.log.Info("configuration reloaded", "services", len(conf.Virtuals), "warnings", len(conf.Warnings), "waiting", len(conf.Waiting))
}
