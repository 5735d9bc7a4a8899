package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/ipvs"
	"github.com/shunt-lb/shunt/proxy"
	"github.com/shunt-lb/shunt/sorry"
)

// The dataplanes, as flags and directives name them.
const (
	onProxy = "proxy"
	onIPVS  = "ipvs"
	auto    = "auto"
)

// A plane is the dataplanes that were chosen, and why.
type plane struct {
	*mux
	kernel *ipvs.Dataplane // nil where there is none
	proxy  *proxy.Dataplane
	status director.DataplaneStatus
}

// choose opens the dataplanes for what is asked for. The proxy is always
// there, because a service may ask for it. renewed is called when the settings
// of IPVS have become those of the kernel again.
func choose(name string, log *slog.Logger, s *sorry.Server, renewed func()) (plane, error) {
	kernel, status, err := openKernel(name, ipvs.Options{Log: log, Renewed: renewed})
	if err != nil {
		return plane{}, err
	}
	p := proxy.New(proxy.Options{Log: log, Responder: s})
	planes := []named{{p, onProxy}}
	if kernel != nil {
		planes = []named{{newDesks(kernel, s, log), onIPVS}, planes[0]}
	}
	return plane{mux: newMux(log, planes...), kernel: kernel, proxy: p, status: status}, nil
}

// openKernel opens IPVS, or returns nil where the proxy is to do.
func openKernel(name string, o ipvs.Options) (*ipvs.Dataplane, director.DataplaneStatus, error) {
	if err := knownDataplane(name); err != nil {
		return nil, director.DataplaneStatus{}, err
	}
	if name == onProxy {
		return nil, director.DataplaneStatus{Name: onProxy, Reason: "asked for"}, nil
	}
	k, err := ipvs.New(o)
	switch {
	case err == nil && name == onIPVS:
		return k, director.DataplaneStatus{Name: onIPVS, Reason: "asked for"}, nil
	case err == nil:
		return k, director.DataplaneStatus{Name: onIPVS, Reason: "auto: the kernel has IPVS"}, nil
	case name == onIPVS:
		return nil, director.DataplaneStatus{}, fmt.Errorf("dataplane ipvs: %w", err)
	}
	return nil, director.DataplaneStatus{Name: onProxy, Reason: "auto: " + err.Error()}, nil
}

// knownDataplane refuses what the flag cannot be.
func knownDataplane(name string) error {
	if !slices.Contains([]string{"", auto, onIPVS, onProxy}, name) {
		return fmt.Errorf("dataplane %q: want auto, ipvs or proxy", name)
	}
	return nil
}

// usual is the dataplane that services are for which name none, on this host.
// The kernel may load its module for it; no rights are needed.
func usual(name string) string {
	if name == onProxy || name == onIPVS {
		return name
	}
	k, err := ipvs.New(ipvs.Options{})
	if err == nil {
		_ = k.Close()
		return onIPVS
	}
	if errors.Is(err, ipvs.ErrNoRights) {
		return onIPVS
	}
	return onProxy
}

// limits says why a service cannot be served by the dataplane it is for,
// where usual is that of services which name none.
func limits(usual string) director.Limits {
	return func(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
		switch {
		case cmp.Or(v.Dataplane, usual) == onProxy:
			return proxy.Unsupported(s)
		case usual == onProxy:
			return []*dataplane.Limit{{Directive: "dataplane", Reason: "this shunt has the proxy alone: leave --dataplane=proxy out, or load the module ip_vs if the kernel has none, or leave dataplane = ipvs out"}}
		}
		return append(deskLimits(v, s), ipvs.Unsupported(withoutDesk(s))...)
	}
}

// routes is which dataplane each service of a configuration asks for.
func routes(conf *config.Config) map[dataplane.ServiceID]string {
	want := map[dataplane.ServiceID]string{}
	for i := range conf.Virtuals {
		if name := conf.Virtuals[i].Dataplane; name != "" {
			want[conf.Virtuals[i].ID] = name
		}
	}
	return want
}

// site is how the sorry server answers for a service.
func site(v *config.Virtual) sorry.Site {
	return sorry.Site{
		Protocol: v.Service, UDP: v.ID.Protocol == dataplane.UDP,
		Page: v.SorryPage, Status: v.SorryStatus, Name: v.ServiceName,
	}
}
