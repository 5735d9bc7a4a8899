package daemon

import (
	"context"
	"fmt"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/ipvs"
)

// timeoutDirectives are those for the timeouts of IPVS.
var timeoutDirectives = []string{"tcptimeout", "tcpfintimeout", "udptimeout"}

// onKernel reports whether a service of conf is for IPVS, where def is the
// default dataplane.
func onKernel(conf *config.Config, def string) bool {
	for i := range conf.Virtuals {
		if dataplaneOf(&conf.Virtuals[i], def).name == onIPVS {
			return true
		}
	}
	return false
}

// uselessTimeouts warns of timeouts of IPVS if no service is for it.
func uselessTimeouts(conf *config.Config, def string) (ps config.Problems) {
	if onKernel(conf, def) {
		return nil
	}
	for _, name := range timeoutDirectives {
		if o := conf.Global.Origins[name]; o.Pos.Line > 0 {
			ps = append(ps, config.Problem{
				Severity: config.Warning, Pos: o.Pos,
				Text: fmt.Sprintf("`%s` has no effect: it is for IPVS, and no service is on it", name),
				Hint: "the proxy has idletimeout",
			})
		}
	}
	return ps
}

// applyTimeouts sets the timeouts of IPVS that conf names, and no others. They stay
// after a stop, as connections do.
func (h *host) applyTimeouts(conf *config.Config) {
	g := &conf.Global
	want := ipvs.Timeouts{TCP: g.TCPTimeout, TCPFin: g.TCPFinTimeout, UDP: g.UDPTimeout}
	kernel := h.plane.ipvs.opened()
	if kernel == nil || want == (ipvs.Timeouts{}) || !onKernel(conf, h.plane.status.Name) {
		return
	}
	ctx := context.Background() // the kernel answers at once
	before, err := kernel.Timeouts(ctx)
	if err == nil {
		err = kernel.SetTimeouts(ctx, want)
	}
	if err != nil {
		h.log.Error("timeouts of IPVS are not as configured", "err", fmt.Errorf("%s: %w", timeoutsAt(conf), err))
		return
	}
	for _, t := range []struct {
		name             string
		have, configured fmt.Stringer
		change           bool
	}{
		{"tcptimeout", before.TCP, want.TCP, want.TCP != 0 && want.TCP != before.TCP},
		{"tcpfintimeout", before.TCPFin, want.TCPFin, want.TCPFin != 0 && want.TCPFin != before.TCPFin},
		{"udptimeout", before.UDP, want.UDP, want.UDP != 0 && want.UDP != before.UDP},
	} {
		if t.change {
			h.log.Info("timeout of IPVS changed", "timeout", t.name, "from", t.have.String(), "to", t.configured.String())
		}
	}
}

// timeoutsAt returns the first line that sets a timeout of IPVS.
func timeoutsAt(conf *config.Config) (pos config.Pos) {
	for _, name := range timeoutDirectives {
		if at := conf.Global.Origins[name].Pos; at.Line > 0 && (pos.Line == 0 || at.Line < pos.Line) {
			pos = at
		}
	}
	return pos
}
