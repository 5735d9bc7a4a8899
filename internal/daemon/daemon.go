// Package daemon puts the parts of shunt together into one that runs: it
// reads the options, wires configuration, director, dataplane, sorry server,
// alerts, logs and admin, and takes all of it down again in reverse order.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/alert"
	"github.com/shunt-lb/shunt/internal/logs"
	"github.com/shunt-lb/shunt/proxy"
	"github.com/shunt-lb/shunt/sorry"
)

// Options are what the command line says.
type Options struct {
	// Config is the path of the configuration file.
	Config string
	// Strict refuses what ldirectord refuses.
	Strict bool
	// Dataplane is auto, ipvs or proxy; "" is auto.
	Dataplane string
	// Admin is the address of metrics, status page and API; "" for none.
	Admin string
	// Control is the path of the control socket; "" for none.
	Control string
	// LogFormat is text or json.
	LogFormat string
	LogLevel  slog.Level
	// Version and Commit say which shunt this is.
	Version, Commit string
}

// A Daemon is a director with everything around it. Start it once and Stop
// it once; Reload and Reopen may be called from any goroutine in between.
type Daemon struct {
	o        Options
	sink     *logs.Sink
	log      *slog.Logger
	sorry    *sorry.Server
	sites    map[string]bool // services the sorry server answers for
	plane    plane
	host     hostKeeper
	director *director.Director
	children *children
	first    sync.Once
	execute  []string // other configurations to run, of the first one in force
	admin    string
	undo     []undo
	watchers watchers
}

// An undo takes back one step of Start.
type undo struct {
	what string
	do   func(context.Context) error
}

// New returns a daemon that does nothing yet.
func New(o Options) *Daemon { return &Daemon{o: o, sites: map[string]bool{}} }

// Start brings everything up, in an order in which nothing touches traffic
// before everything that can refuse has been asked. If it returns an error
// nothing is left running. The errors of a configuration are of type
// config.Problems.
func (d *Daemon) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			_ = d.Stop(ctx)
		}
	}()
	for _, step := range []func(context.Context) error{
		d.openLog, d.openSorry, d.openDirector, d.openAdmin, d.startDirector, d.startChildren, d.announce,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *Daemon) onStop(what string, do func(context.Context) error) {
	d.undo = append(d.undo, undo{what, do})
}

// Stop takes back what Start did, newest first, and joins the errors. A done
// ctx cuts short what waits, and nothing is left out for it. It may be called
// again, to no effect.
func (d *Daemon) Stop(ctx context.Context) error {
	if len(d.undo) > 0 {
		d.log.Info("shunt stops")
	}
	var errs []error
	for len(d.undo) > 0 {
		last := d.undo[len(d.undo)-1]
		d.undo = d.undo[:len(d.undo)-1]
		if err := last.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", last.what, err))
		}
	}
	return errors.Join(errs...)
}

func (d *Daemon) openLog(context.Context) error {
	sink, err := logs.Open(logs.Options{Format: d.o.LogFormat, Level: d.o.LogLevel})
	if err != nil {
		return err
	}
	d.sink, d.log = sink, sink.Logger()
	d.onStop("log", func(context.Context) error {
		d.log.Info("shunt has stopped")
		return sink.Close()
	})
	d.log.Info("shunt starts", "version", d.o.Version, "config", d.o.Config)
	return nil
}

func (d *Daemon) openSorry(context.Context) error {
	d.sorry = sorry.New(sorry.Options{Log: d.log})
	d.onStop("sorry server", func(context.Context) error { return d.sorry.Close() })
	return nil
}

func (d *Daemon) openDirector(context.Context) error {
	plane, err := choose(d.o.Dataplane, d.log, d.sorry, d.renewed)
	if err != nil {
		return err
	}
	d.plane = plane
	d.onStop("dataplane", func(context.Context) error { return plane.Close() })
	d.onStop("virtual addresses", d.closeHost)
	d.log.Info("dataplane chosen", "dataplane", plane.status.Name, "reason", plane.status.Reason)
	d.children = newChildren(d.log)
	mails := alert.New(d.log)
	d.onStop("alert mails", mails.Close)
	d.director = director.New(director.Options{
		Path: d.o.Config, Parse: d.parse, InForce: d.inForce,
		Dataplane: plane, Forwarding: plane.status, Log: d.log,
		Mail: func(m director.Mail) { mails.Send(alertMail(m)) },
	})
	return nil
}

func alertMail(m director.Mail) alert.Mail {
	return alert.Mail{
		To: m.To, From: m.From, Relay: m.Relay, Subject: m.Subject,
		Status: m.Status, Service: m.ServiceName, Comment: m.Comment,
	}
}

// openAdmin comes before the director starts: a second shunt for the same
// file finds the control socket taken and touches nothing.
func (d *Daemon) openAdmin(ctx context.Context) error {
	s := admin.New(admin.Options{
		Source: d, Log: d.log, Version: d.o.Version, Commit: d.o.Commit, Sorry: d.sorryStats,
		Connections: d.connections,
	})
	d.onStop("admin", func(context.Context) error { return s.Close() })
	if d.o.Control != "" {
		if err := listenControl(ctx, s, d.o.Control); err != nil {
			return err
		}
	}
	if d.o.Admin == "" {
		return nil
	}
	addr, err := s.ListenTCP(ctx, d.o.Admin)
	if err != nil {
		return err
	}
	d.admin = addr.String()
	d.log.Info("admin address", "addr", d.admin)
	return nil
}

func listenControl(ctx context.Context, s *admin.Server, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return s.ListenControl(ctx, path)
}

// Admin is the admin address that Start got, "" for none.
func (d *Daemon) Admin() string { return d.admin }

func (d *Daemon) sorryStats() map[string]admin.SorryStats {
	stats := map[string]admin.SorryStats{}
	for service, s := range d.sorry.Stats() {
		stats[service] = admin.SorryStats(s)
	}
	return stats
}

func (d *Daemon) startDirector(ctx context.Context) error {
	if err := d.director.Start(ctx); err != nil {
		return err
	}
	d.onStop("director", d.director.Stop)
	return nil
}

// parse reads a configuration and makes sure that it can be put in force.
func (d *Daemon) parse(ctx context.Context, text []byte) (*config.Config, error) {
	conf, err := Check(ctx, d.o.Config, text, d.o.Strict, d.plane.status.Name)
	if err != nil {
		return nil, err
	}
	target := conf.Global.LogFile
	if conf.Global.Supervised {
		target = ""
	}
	if err := d.sink.Use(target); err != nil {
		return nil, fmt.Errorf("%s: %w", conf.Global.Origins["logfile"].Pos, err)
	}
	conf.Warnings = append(conf.Warnings, withLines(d.bypassed(conf), text)...)
	conf.Warnings = append(conf.Warnings, withLines(unreachable(conf, proxy.OpenFiles()), text)...)
	// From here on nothing refuses it.
	d.plane.route(routes(conf))
	d.plane.proxy.SetLimits(bounds(conf))
	return conf, nil
}

// inForce follows a configuration that has just been put in force.
func (d *Daemon) inForce(conf *config.Config) {
	for _, p := range conf.Warnings {
		d.log.Warn("configuration", "warning", p.String())
	}
	d.first.Do(func() { d.execute = conf.Global.Execute })
	d.followHost(conf)
	gone := d.sites
	d.sites = map[string]bool{}
	for i := range conf.Virtuals {
		id := conf.Virtuals[i].ID.String()
		d.sites[id] = true
		delete(gone, id)
		if err := d.sorry.Set(id, site(&conf.Virtuals[i])); err != nil {
			d.log.Error("sorry page cannot be used, the one before stays", "service", id, "err", err)
		}
	}
	for id := range gone {
		d.sorry.Forget(id)
	}
}

// Status is everything the director knows, and the load of the proxy; see
// director.Director.Status.
func (d *Daemon) Status(ctx context.Context) (director.Status, error) {
	s, err := d.director.Status(ctx)
	load := d.plane.proxy.Load()
	s.Dataplane.Load = &load
	return s, err
}

// Reload reads the configuration again, here and in every shunt that execute
// has started; see director.Director.Reload.
func (d *Daemon) Reload(ctx context.Context) error {
	done := reloading(d.log)
	defer done()
	d.children.reload()
	return d.director.Reload(ctx)
}

// Reopen opens the log file again, after it was moved away.
func (d *Daemon) Reopen() error { return d.sink.Reopen() }
