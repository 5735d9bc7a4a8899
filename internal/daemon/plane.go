package daemon

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/proxy"
	"github.com/shunt-lb/shunt/sorry"
)

// A plane is the dataplane that was chosen, and why.
type plane struct {
	*proxy.Dataplane
	status director.DataplaneStatus
}

// The director drains what it can.
var _ dataplane.Drainer = plane{}

// ErrNoIPVS is the error of asking for a dataplane that is not there.
var ErrNoIPVS = errors.New("dataplane ipvs: this version of shunt cannot program IPVS; use --dataplane=proxy or --dataplane=auto")

// choose returns the dataplane that is asked for.
func choose(name string, log *slog.Logger, s *sorry.Server) (plane, error) {
	reason := "asked for"
	switch name {
	case "ipvs":
		return plane{}, ErrNoIPVS
	case "", "auto":
		reason = "auto: this version of shunt cannot program IPVS"
	case "proxy":
	default:
		return plane{}, fmt.Errorf("dataplane %q: want auto, ipvs or proxy", name)
	}
	p := proxy.New(proxy.Options{Log: log, Responder: s})
	return plane{Dataplane: p, status: director.DataplaneStatus{Name: "proxy", Reason: reason}}, nil
}

// unsupported says why a service cannot be served by any dataplane there is.
func unsupported(v dataplane.VirtualService) []*dataplane.Limit { return proxy.Unsupported(v) }

// site is how the sorry server answers for a service.
func site(v *config.Virtual) sorry.Site {
	return sorry.Site{
		Protocol: v.Service, UDP: v.ID.Protocol == dataplane.UDP,
		Page: v.SorryPage, Status: v.SorryStatus, Name: v.ServiceName,
	}
}
