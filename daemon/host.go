package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// A host sets up this machine for the services: their addresses on its links, the
// return paths of real servers, and the settings of its kernel.
type host struct {
	log   *slog.Logger
	owner string // of addresses and rules: the path of the configuration file
	plane *dataplanes

	settings    sync.Mutex     // held while the kernel's settings are changed
	settingsFor *config.Config // nil for none yet
	warned      []string       // latest warnings about settings

	mu      sync.Mutex
	conf    *config.Config // that addresses and rules are for
	closing bool           // the stop has begun: nothing is added any more
	cleared bool           // what a killed shunt has left was removed
	vips    *vip.Manager   // nil until a configuration names an interface
	returns *returnpath.Keeper
}

// apply sets the host up for a configuration that was put in force.
func (h *host) apply(conf *config.Config) {
	h.applyAddresses(conf)
	h.settings.Lock()
	defer h.settings.Unlock()
	h.settingsFor = conf
	if h.plane.ipvs.opened() != nil {
		h.applySettings()
	}
}

// applySettings sets the settings of the kernel.
func (h *host) applySettings() {
	h.applySysctls(h.settingsFor)
	h.applyTimeouts(h.settingsFor)
}

// renewed sets the settings of the kernel again after its module was loaded, or
// loaded again.
func (h *host) renewed() {
	h.settings.Lock()
	defer h.settings.Unlock()
	if h.settingsFor != nil {
		h.applySettings()
	}
}

// applyAddresses sets addresses and rules, unless the stop has begun.
func (h *host) applyAddresses(conf *config.Config) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return
	}
	h.conf = conf
	if !h.cleared {
		h.cleared = true
		h.clear()
	}
	if err := h.applyVIPs(conf); err != nil {
		h.log.Error("virtual addresses are not all in place; shunt goes on trying", "err", err)
	}
	if err := h.applyReturns(conf); err != nil {
		h.log.Warn("answers to connections with the client's address do not come back", "err", err)
	}
}

// clear removes addresses and rules that a killed shunt for the same file has
// left, if this configuration has none: otherwise they are adopted.
func (h *host) clear() {
	if len(wantedAddresses(h.conf)) == 0 {
		if err := vip.Clear(h.log, h.owner); err != nil {
			h.log.Warn("virtual addresses of a former run may be left", "err", err)
		}
	}
	if len(wantedAnswers(h.conf, h.plane.status.Name)) == 0 {
		if err := returnpath.Clear(h.log, h.owner); err != nil {
			h.log.Warn("rules of a former run may be left", "err", err)
		}
	}
}

func (h *host) applyVIPs(conf *config.Config) error {
	want := wantedAddresses(conf)
	if h.vips == nil && len(want) == 0 {
		return nil
	}
	if h.vips == nil {
		m, err := vip.New(h.log, h.owner)
		if err != nil {
			return err
		}
		h.vips = m
	}
	return h.vips.Set(want)
}

// retain removes the addresses and rules that only services need for which stays
// is false, and adds nothing any more. Errors show again in close.
func (h *host) retain(stays func(*config.Virtual) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = true
	if h.conf == nil {
		return
	}
	rest := h.only(stays)
	_ = h.applyVIPs(rest)
	_ = h.applyReturns(rest)
}

// only returns the configuration in force with the services for which stays is
// true.
func (h *host) only(stays func(*config.Virtual) bool) *config.Config {
	rest := *h.conf
	rest.Virtuals = nil
	for i := range h.conf.Virtuals {
		if v := &h.conf.Virtuals[i]; stays(v) {
			rest.Virtuals = append(rest.Virtuals, *v)
		}
	}
	return &rest
}

// close removes all addresses and rules that shunt has added, except the addresses
// of services that stay in the kernel.
func (h *host) close(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = true
	var vips, returns error
	if h.vips != nil {
		vips = h.vips.Close(wantedAddresses(h.only(h.plane.outlives))...)
	}
	if h.returns != nil {
		returns = h.returns.Close()
	}
	return errors.Join(vips, returns)
}

// applySysctls sets the settings that services need, with managesysctl=yes, and
// logs once those that are missing.
func (h *host) applySysctls(conf *config.Config) {
	needs, dir := h.needs(conf), sysctl.System
	var gaps []sysctl.Gap
	if conf.Global.ManageSysctl {
		var changed []sysctl.Gap
		changed, gaps = sysctl.Set(needs, dir)
		for _, g := range changed {
			h.log.Info("kernel setting changed", "setting", g.Name, "from", g.Have, "to", g.Value, "reason", g.Reason)
		}
	} else {
		gaps = sysctl.Check(needs, dir)
	}
	var warned []string
	for _, g := range gaps {
		warned = append(warned, g.String())
		if !slices.Contains(h.warned, g.String()) {
			h.log.Warn("kernel setting missing", "setting", g.Name, "problem", g.String())
		}
	}
	h.warned = warned
}

// needs returns the settings that the services on IPVS need.
func (h *host) needs(conf *config.Config) []sysctl.Need {
	needs, err := needsOf(conf, h.plane.status.Name)
	if err != nil {
		h.log.Warn("routes of this host cannot be read", "err", fmt.Errorf("kernel settings: %w", err))
	}
	return needs
}

// needsOf returns the settings that the services of conf on IPVS need, where def is
// the default dataplane. With an error those that depend on routes are missing.
func needsOf(conf *config.Config, def string) ([]sysctl.Need, error) {
	quiescent := map[dataplane.ServiceID]bool{}
	var services []dataplane.VirtualService
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if dataplaneOf(v, def).name != onIPVS {
			continue
		}
		quiescent[v.ID] = v.Quiescent
		services = append(services, withoutSorry(director.Everything(v)))
	}
	where, done, err := rtnl.Routes()
	if err == nil {
		defer done()
	}
	return sysctl.Needs(services, sysctl.Options{Where: where, Quiescent: func(id dataplane.ServiceID) bool { return quiescent[id] }}), err
}

// applyReturns sets the rules that bring back the answers of real servers of
// transparent services.
func (h *host) applyReturns(conf *config.Config) error {
	want := wantedAnswers(conf, h.plane.status.Name)
	if h.returns == nil {
		if len(want) == 0 {
			return nil
		}
		k, err := returnpath.New(h.log, h.owner)
		if err != nil {
			return err
		}
		h.returns = k
	}
	return h.returns.Set(want)
}
