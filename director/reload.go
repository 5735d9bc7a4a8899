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
	err := d.lock(ctx)
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
	conf, err := d.read(ctx)
	if err == nil && byItself && len(conf.Virtuals) == 0 && len(d.current.Virtuals) > 0 {
		err = fmt.Errorf("%s: there is no virtual service in it: autoreload does not take all of them away, `shunt reload` and SIGHUP do", d.file.path)
	}
	var files map[string]string
	if err == nil {
		files = d.lookAtMaintenance(ctx, conf)
	}
	if ctx.Err() != nil {
		d.file.forget() // it has been read to no effect
		return ctx.Err()
	}
	if e := d.do(d.ctx, func() { d.reloaded(conf, files, err) }); e != nil {
		return e
	}
	if err == nil {
		d.follow(conf)
	}
	return err
}

// reloaded records one attempt to reload and puts conf in force if err is
// nil. It runs in the loop.
func (d *Director) reloaded(conf *config.Config, files map[string]string, err error) {
	if d.ctx.Err() != nil {
		return // too late: nothing is to come back that Stop takes away
	}
	d.conf.ReloadTried = time.Now()
	if err != nil {
		d.conf.ReloadFailures++
		d.conf.ReloadError = err.Error()
		d.log.Error("configuration is refused; the old one stays in force", "err", err)
		return
	}
	d.conf.Reloads++
	d.conf.ReloadError = ""
	d.cluster.phase = config.AlertReloading
	if d.o.InForce != nil {
		d.o.InForce(conf)
	}
	d.enforce(conf, nil, files)
	d.running()
	d.log.Info("configuration reloaded", "services", len(conf.Virtuals), "warnings", len(conf.Warnings))
}
