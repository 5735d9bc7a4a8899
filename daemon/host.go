package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/host/returnpath"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/host/vip"
)

// A hostKeeper looks after what the services need of the host itself: their
// addresses on its links, the ways back to it, and the settings of its kernel.
type hostKeeper struct {
	told []string // warnings about settings that were given last

	settings sync.Mutex     // of the kernel, one who sets them at a time
	set      *config.Config // that they are for, nil for none yet

	mu      sync.Mutex
	conf    *config.Config // whose services have what they need
	leaving bool           // the stop has begun: nothing is added any more
	cleared bool           // of what a shunt that was killed has left
	vips    *vip.Manager   // nil until a configuration names an interface
	returns *returnpath.Keeper
}

// followHost brings the host in line with a configuration.
func (d *Daemon) followHost(conf *config.Config) {
	d.followAddresses(conf)
	d.host.settings.Lock()
	defer d.host.settings.Unlock()
	d.host.set = conf
	if d.plane.ipvs.opened() != nil {
		d.followSettings()
	}
}

// followSettings brings the settings of the kernel in line with the
// configuration in force.
func (d *Daemon) followSettings() {
	d.followSysctls(d.host.set)
	d.followTimeouts(d.host.set)
}

// renewed does so once more after the module was loaded, or loaded again.
func (d *Daemon) renewed() {
	d.host.settings.Lock()
	defer d.host.settings.Unlock()
	if d.host.set != nil {
		d.followSettings()
	}
}

// followAddresses brings addresses and rules in line, unless it is too late.
func (d *Daemon) followAddresses(conf *config.Config) {
	h := &d.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaving {
		return
	}
	h.conf = conf
	if !h.cleared {
		h.cleared = true
		d.clear()
	}
	if err := d.followVIPs(conf); err != nil {
		d.log.Error("virtual addresses are not all in place; shunt goes on trying", "err", err)
	}
	if err := d.followReturns(conf); err != nil {
		d.log.Warn("answers to connections with the client's address do not come back", "err", err)
	}
}

// clear takes away what a shunt for the same file has left that was killed, if
// its file had something to be put on the host and this one has not.
func (d *Daemon) clear() {
	h := &d.host
	if len(wantedAddresses(h.conf)) == 0 {
		if err := vip.Clear(d.log, d.o.Config); err != nil {
			d.log.Warn("virtual addresses of a former run may be left", "err", err)
		}
	}
	if len(wantedAnswers(h.conf, d.plane.status.Name)) == 0 {
		if err := returnpath.Clear(d.log, d.o.Config); err != nil {
			d.log.Warn("rules of a former run may be left", "err", err)
		}
	}
}

func (d *Daemon) followVIPs(conf *config.Config) error {
	want := wantedAddresses(conf)
	if d.host.vips == nil && len(want) == 0 {
		return nil
	}
	if d.host.vips == nil {
		m, err := vip.New(d.log, d.o.Config)
		if err != nil {
			return err
		}
		d.host.vips = m
	}
	return d.host.vips.Set(want)
}

// withdraw takes from the host what none of the services needs of which still
// is true, and has nothing come back. What cannot be taken away is tried again,
// and told, when all goes.
func (d *Daemon) withdraw(still func(*config.Virtual) bool) {
	h := &d.host
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = true
	if h.conf == nil {
		return
	}
	rest := d.rest(still)
	_ = d.followVIPs(rest)
	_ = d.followReturns(rest)
}

// rest is the configuration in force with some of its services.
func (d *Daemon) rest(still func(*config.Virtual) bool) *config.Config {
	rest := *d.host.conf
	rest.Virtuals = nil
	for i := range d.host.conf.Virtuals {
		if v := &d.host.conf.Virtuals[i]; still(v) {
			rest.Virtuals = append(rest.Virtuals, *v)
		}
	}
	return &rest
}

// closeHost takes away what shunt has put on links and among the routes, but
// for what services need that stay in the kernel.
func (d *Daemon) closeHost(context.Context) error {
	h := &d.host
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = true
	var vips, returns error
	if h.vips != nil {
		vips = h.vips.Close(wantedAddresses(d.rest(d.inKernel))...)
	}
	if h.returns != nil {
		returns = h.returns.Close()
	}
	return errors.Join(vips, returns)
}

// followSysctls sets what is to be set, and warns once of what is left.
func (d *Daemon) followSysctls(conf *config.Config) {
	needs, dir := d.needs(conf), sysctl.System
	var gaps []sysctl.Gap
	if conf.Global.ManageSysctl {
		var changed []sysctl.Gap
		changed, gaps = sysctl.Set(needs, dir)
		for _, g := range changed {
			d.log.Info("kernel setting changed", "setting", g.Name, "from", g.Have, "to", g.Value, "reason", g.Reason)
		}
	} else {
		gaps = sysctl.Check(needs, dir)
	}
	var told []string
	for _, g := range gaps {
		told = append(told, g.String())
		if !slices.Contains(d.host.told, g.String()) {
			d.log.Warn("kernel setting missing", "setting", g.Name, "problem", g.String())
		}
	}
	d.host.told = told
}

// needs are the settings that the services need which the kernel forwards.
func (d *Daemon) needs(conf *config.Config) []sysctl.Need {
	quiescent := map[dataplane.ServiceID]bool{}
	var services []dataplane.VirtualService
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if dataplaneOf(v, d.plane.status.Name).name != onIPVS {
			continue
		}
		quiescent[v.ID] = v.Quiescent
		services = append(services, withoutSorry(director.Everything(v)))
	}
	where, done, err := rtnl.Routes()
	if err != nil {
		d.log.Warn("routes of this host cannot be read", "err", fmt.Errorf("kernel settings: %w", err))
	} else {
		defer done()
	}
	return sysctl.Needs(services, sysctl.Options{Where: where, Quiescent: func(id dataplane.ServiceID) bool { return quiescent[id] }})
}
