package daemon

import (
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
	kernel *kernel // nil where nobody is to look for one
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
		planes = append(planes, named{newDesks(kernel, s, log), onIPVS})
	}
	if status.Name == onIPVS {
		slices.Reverse(planes)
	}
	return plane{mux: newMux(log, planes...), kernel: kernel, proxy: p, status: status}, nil
}

// openKernel opens IPVS, or says that the proxy is to do: with auto until the
// kernel has IPVS, for services that cannot do without.
func openKernel(name string, o ipvs.Options) (*kernel, director.DataplaneStatus, error) {
	if err := knownDataplane(name); err != nil {
		return nil, director.DataplaneStatus{}, err
	}
	if name == onProxy {
		return nil, director.DataplaneStatus{Name: onProxy, Reason: "asked for"}, nil
	}
	k := &kernel{options: o}
	_, err := k.open()
	switch {
	case err == nil && name == onIPVS:
		return k, director.DataplaneStatus{Name: onIPVS, Reason: "asked for"}, nil
	case err == nil:
		return k, director.DataplaneStatus{Name: onIPVS, Reason: "auto: the kernel has IPVS"}, nil
	case name == onIPVS:
		return nil, director.DataplaneStatus{}, fmt.Errorf("dataplane ipvs: %w", err)
	}
	return k, director.DataplaneStatus{Name: onProxy, Reason: "auto: " + err.Error()}, nil
}

// knownDataplane refuses what the flag cannot be.
func knownDataplane(name string) error {
	if !slices.Contains([]string{"", auto, onIPVS, onProxy}, name) {
		return fmt.Errorf("dataplane %q: want auto, ipvs or proxy", name)
	}
	return nil
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
