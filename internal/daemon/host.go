package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/sysctl"
	"github.com/shunt-lb/shunt/internal/vip"
)

// A hostKeeper looks after what the services need of the host itself: their
// addresses on its links, and the settings of its kernel.
type hostKeeper struct {
	vips *vip.Manager // nil until a configuration names an interface
	kept []vip.Address
	told []string // warnings about settings that were given last
}

// followHost brings the host in line with a configuration. It runs in the
// director's loop: nothing in it waits for long.
func (d *Daemon) followHost(conf *config.Config) {
	if err := d.followVIPs(conf); err != nil {
		d.log.Error("virtual addresses are not all in place; shunt goes on trying", "err", err)
	}
	if d.plane.status.Name == onIPVS {
		d.followSysctls(conf)
		d.followTimeouts(conf)
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
		m, err := vip.New(d.log)
		if err != nil {
			return err
		}
		d.host.vips = m
	}
	return d.host.vips.Set(want)
}

// closeHost takes away what shunt has put on links, but for what services
// need that stay in the kernel.
func (d *Daemon) closeHost(context.Context) error {
	if d.host.vips == nil {
		return nil
	}
	return d.host.vips.Close(d.host.kept...)
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
	where, err := sysctl.Where()
	if err != nil {
		d.log.Warn("routes of this host cannot be read", "err", fmt.Errorf("kernel settings: %w", err))
	}
	return sysctl.Needs(services, sysctl.Options{Where: where, Quiescent: func(id dataplane.ServiceID) bool { return quiescent[id] }})
}
