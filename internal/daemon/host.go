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
	"github.com/shunt-lb/shunt/internal/returnpath"
	"github.com/shunt-lb/shunt/internal/sysctl"
	"github.com/shunt-lb/shunt/internal/vip"
)

// A hostKeeper looks after what the services need of the host itself: their
// addresses on its links, and the settings of its kernel.
type hostKeeper struct {
	vips *vip.Manager // nil until a configuration names an interface
	kept []vip.Address
	told []string // warnings about settings that were given last

	settings sync.Mutex     // of the kernel, one who sets them at a time
	conf     *config.Config // that they are for, nil for none yet
	// returns is nil until a service is transparent.
	returns *returnpath.Keeper
}

// followHost brings the host in line with a configuration. It runs in the
// director's loop: nothing in it waits for long.
func (d *Daemon) followHost(conf *config.Config) {
	if err := d.followVIPs(conf); err != nil {
		d.log.Error("virtual addresses are not all in place; shunt goes on trying", "err", err)
	}
	if err := d.followReturns(conf); err != nil {
		d.log.Warn("answers to connections with the client's address do not come back", "err", err)
	}
	if d.plane.status.Name == onIPVS {
		d.host.settings.Lock()
		defer d.host.settings.Unlock()
		d.host.conf = conf
		d.followSettings()
	}
}

// followSettings brings the settings of the kernel in line with the
// configuration in force.
func (d *Daemon) followSettings() {
	d.followSysctls(d.host.conf)
	d.followTimeouts(d.host.conf)
}

// renewed does so once more after the module was loaded again.
func (d *Daemon) renewed() {
	d.host.settings.Lock()
	defer d.host.settings.Unlock()
	if d.host.conf != nil {
		d.followSettings()
	}
}

func (d *Daemon) followVIPs(conf *config.Config) error {
	want := vip.Wanted(conf)
	d.host.kept = nil
	if d.plane.status.Name == onIPVS {
		d.host.kept = vip.Kept(conf)
	}
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

// closeHost takes away what shunt has put on links and among the routes, but
// for what services need that stay in the kernel.
func (d *Daemon) closeHost(context.Context) error {
	var vips, returns error
	if d.host.vips != nil {
		vips = d.host.vips.Close(d.host.kept...)
	}
	if d.host.returns != nil {
		returns = d.host.returns.Close()
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
		if v.Dataplane == onProxy {
			continue
		}
		quiescent[v.ID] = v.Quiescent
		services = append(services, withoutDesk(director.Everything(v)))
	}
	where, done, err := sysctl.Where()
	if err != nil {
		d.log.Warn("routes of this host cannot be read", "err", fmt.Errorf("kernel settings: %w", err))
	} else {
		defer done()
	}
	return sysctl.Needs(services, sysctl.Options{Where: where, Quiescent: func(id dataplane.ServiceID) bool { return quiescent[id] }})
}
