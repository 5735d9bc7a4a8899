package daemon

import (
	"context"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/logs"
	"github.com/shunt-lb/shunt/sorry"
)

// A parsed is the configuration that was read last, with what its services say
// while no real server can.
type parsed struct {
	conf  *config.Config
	pages map[string]page
}

// A page is how the sorry server answers for a service, or why its own page
// cannot be had; then it is the built-in one.
type page struct {
	sorry.Ready
	pos config.Pos // of its directive
	err error
}

// parse reads a configuration and makes sure that it can be put in force. It
// reads and changes nothing: that is for inForce and follow.
func (d *Daemon) parse(ctx context.Context, text []byte) (*config.Config, error) {
	return d.parseAfter(ctx, text, config.Options{Before: d.current.Load()})
}

// again is parse for what a configuration in force waits for.
func (d *Daemon) again(ctx context.Context, text []byte, inForce *config.Config) (*config.Config, error) {
	return d.parseAfter(ctx, text, config.Options{Before: inForce, Again: true})
}

func (d *Daemon) parseAfter(ctx context.Context, text []byte, o config.Options) (*config.Config, error) {
	o.Strict = d.o.Strict
	conf, err := d.plane.validator().check(ctx, d.o.Config, text, o)
	if err != nil {
		return nil, err
	}
	conf.Warnings = append(conf.Warnings, withLines(append(d.bypassed(conf), beyond(conf)...), text)...)
	d.parsed = parsed{conf, pages(conf)}
	return conf, nil
}

// logTarget is where conf has the log go. Who supervises shunt reads its
// standard error, which also has what is for no facility of syslog.
func logTarget(conf *config.Config) string {
	if conf.Global.Supervised || noFacility(conf) != nil {
		return ""
	}
	return conf.Global.LogFile
}

// noFacility returns what is wrong with the facility that conf names, nil for
// nothing.
func noFacility(conf *config.Config) error {
	if strings.HasPrefix(conf.Global.LogFile, "/") {
		return nil
	}
	return logs.Usable(conf.Global.LogFile)
}

// pages reads what the services of conf say while no real server can.
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

// builtIn is how the sorry server answers with the page that is always there.
func builtIn(w sorry.Site) sorry.Ready {
	ready, err := sorry.Prepare(w)
	if err != nil {
		w.Status = 0
		ready, _ = sorry.Prepare(w)
	}
	return ready
}

// inForce goes with a configuration in the moment it is put in force, in the
// director's loop: it touches neither files nor the network.
func (d *Daemon) inForce(conf *config.Config) {
	d.current.Store(conf)
	d.plane.route(routes(conf))
	d.plane.proxy.SetLimits(bounds(conf))
	gone := d.sites
	d.sites = map[string]bool{}
	for id, p := range d.parsed.pages {
		d.sites[id] = true
		if p.err == nil {
			d.sorry.Put(id, p.Ready)
		} else { // no reason to lose the page before
			d.sorry.PutKeeping(id, p.Ready)
		}
		delete(gone, id)
	}
	for id := range gone {
		d.sorry.Forget(id)
	}
}

// follow does, after a configuration was put in force and beside the director,
// what takes files and netlink: what hangs there holds up a reload at worst. What
// conf waits for the director has told.
func (d *Daemon) follow(conf *config.Config) {
	logfile := conf.Global.Origins["logfile"].Pos
	if err := d.sink.Use(logTarget(conf)); err != nil && !conf.WaitsAt(logfile) {
		d.log.Error("logfile cannot be used, the log goes where it went", "line", logfile.String(), "err", err)
	}
	for _, p := range conf.Warnings {
		d.log.Warn("configuration", "warning", p.String())
	}
	for id, p := range d.parsed.pages {
		if p.err != nil && !conf.WaitsAt(p.pos) {
			d.log.Error("sorry page cannot be used, the one before stays", "service", id, "err", p.err)
		}
	}
	d.host.apply(conf)
	if !d.started { // startChildren is about to follow, which may fail
		d.started, d.execute = true, conf.Global.Execute
	} else if err := d.children.follow(conf.Global.Execute, d.o); err != nil {
		d.log.Error("another configuration is not run", "err", err)
	}
}

// site returns how the sorry server answers for a service.
func site(v *config.Virtual) sorry.Site {
	return sorry.Site{
		Protocol: v.Service, UDP: v.ID.Protocol == dataplane.UDP,
		Page: v.SorryPage, Status: v.SorryStatus, Name: v.ServiceName,
	}
}
