package daemon

import (
	"context"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/logs"
	"github.com/shunt-lb/shunt/sorry"
)

// A parsed is the configuration that was read last, with the sorry pages of its
// services.
type parsed struct {
	conf  *config.Config
	pages map[string]page
}

// A page is the sorry page of a service: the built-in one, with the error, if its
// own cannot be read.
type page struct {
	sorry.Ready
	pos config.Pos // of its directive
	err error
}

// parse parses and validates a configuration. It changes nothing: that is for
// inForce and follow.
func (d *Daemon) parse(ctx context.Context, src *config.Source) (*config.Config, error) {
	return d.parseAfter(ctx, src, config.Options{Before: d.current.Load()})
}

// again is parse for the names and files that a configuration in force waits for.
func (d *Daemon) again(ctx context.Context, src *config.Source, inForce *config.Config) (*config.Config, error) {
	return d.parseAfter(ctx, src, config.Options{Before: inForce, Again: true})
}

func (d *Daemon) parseAfter(ctx context.Context, src *config.Source, o config.Options) (*config.Config, error) {
	o.Strict = d.o.Strict
	conf, err := d.plane.validator().check(ctx, src, o)
	if err != nil {
		return nil, err
	}
	conf.Warnings = append(conf.Warnings, withLines(slices.Concat(d.bypassed(conf), beyond(conf), d.o.limit(conf)), src)...)
	d.parsed = parsed{conf, pages(conf)}
	return conf, nil
}

// logTarget returns the target of the log: "" is standard error, with
// supervised=yes or a facility that syslog does not have.
func logTarget(conf *config.Config) string {
	if conf.Global.Supervised || noFacility(conf) != nil {
		return ""
	}
	return conf.Global.LogFile
}

// noFacility returns an error if syslog does not have the facility of conf.
func noFacility(conf *config.Config) error {
	if strings.HasPrefix(conf.Global.LogFile, "/") {
		return nil
	}
	return logs.Usable(conf.Global.LogFile)
}

// pages reads the sorry pages of the services of conf.
func pages(conf *config.Config) map[string]page {
	all := map[string]page{}
	for i := range conf.Virtuals {
		w := site(&conf.Virtuals[i])
		ready, err := sorry.Prepare(w)
		if err != nil {
			w.Page = ""
			ready = builtIn(w)
		}
		all[conf.Virtuals[i].ID.String()] = page{ready, conf.Virtuals[i].Origins["sorrypage"].Pos, err}
	}
	return all
}

// builtIn returns the built-in page of a site.
func builtIn(w sorry.Site) sorry.Ready {
	ready, err := sorry.Prepare(w)
	if err != nil {
		w.Status = 0
		ready, _ = sorry.Prepare(w)
	}
	return ready
}

// inForce is called in the director's loop when a configuration is put in force. It
// touches neither files nor the network.
func (d *Daemon) inForce(conf *config.Config) {
	d.current.Store(conf)
	d.plane.Route(routes(conf))
	d.plane.proxy.SetLimits(bounds(conf))
	gone := d.sites
	d.sites = map[string]bool{}
	for id, p := range d.parsed.pages {
		d.sites[id] = true
		if p.err == nil {
			d.sorry.Put(id, p.Ready)
		} else { // keep the page from before
			d.sorry.PutKeeping(id, p.Ready)
		}
		delete(gone, id)
	}
	for id := range gone {
		d.sorry.Forget(id)
	}
}

// follow is called outside the director's loop after a configuration was put in
// force: for files and netlink, where a call that hangs delays only a reload. The
// director has logged what conf waits for.
func (d *Daemon) follow(conf *config.Config) {
	logfile := conf.Global.Origins["logfile"].Pos
	if err := d.sink.Use(logTarget(conf)); err != nil && !conf.WaitsAt(logfile) {
		d.log.Error("logfile cannot be used, the log goes where it went", "line", logfile.String(), "err", err)
	}
	conf.Warnings.Log(d.log)
	for id, p := range d.parsed.pages {
		if p.err != nil && !conf.WaitsAt(p.pos) {
			d.log.Error("sorry page cannot be used, the one before stays", "service", id, "err", p.err)
		}
	}
	d.host.apply(conf)
	if !d.started { // startChildren starts them, and may fail
		d.started, d.execute = true, conf.Global.Execute
	} else if err := d.children.set(conf.Global.Execute, d.o); err != nil {
		d.log.Error("another configuration is not run", "err", err)
	}
}

// site returns how the sorry server answers for a service.
func site(v *config.Virtual) sorry.Site {
	return sorry.Site{
		Protocol: v.Service, UDP: v.ID.Protocol == dataplane.UDP,
		Page: v.SorryPage, Status: v.SorryStatus, Title: v.SorryTitle,
	}
}
