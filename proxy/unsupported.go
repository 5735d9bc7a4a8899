package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

const maxWeight = 65535

// Unsupported returns every reason why the proxy cannot serve v, nil if there is
// none. It depends on v alone.
func Unsupported(v dataplane.VirtualService) []*dataplane.Limit {
	limits := slices.Concat(virtualLimits(v), schedulerLimits(v), addressLimits(v))
	for _, rs := range v.RealServers {
		if reason := realLimit(v.ID, rs); reason != "" {
			limits = append(limits, &dataplane.Limit{Directive: "real", Server: rs.Addr, Reason: reason})
		}
	}
	return limits
}

func virtualLimits(v dataplane.VirtualService) []*dataplane.Limit {
	var limits []*dataplane.Limit
	limit := func(directive, format string, args ...any) {
		limits = append(limits, &dataplane.Limit{Directive: directive, Reason: fmt.Sprintf(format, args...)})
	}
	switch addr := v.ID.Addr; {
	case v.ID.Protocol == dataplane.FWMark:
		limit("virtual", "the proxy does not see firewall marks: give each address and port a section of its own, or use dataplane = ipvs")
	case v.ID.Protocol != dataplane.TCP && v.ID.Protocol != dataplane.UDP:
		limit("virtual", "the proxy does not know %s: use tcp or udp", v.ID.Protocol)
	case !addr.Addr().IsValid():
		limit("virtual", "a virtual service of the proxy needs an address")
	case addr.Port() == 0:
		limit("virtual", "the proxy cannot listen on all ports at once: name the port, or use dataplane = ipvs")
	case v.Persistent > 0 && (v.PersistentBits < 0 || v.PersistentBits > addr.Addr().BitLen()):
		limit("netmask", "a prefix of %d bits does not fit the address of the service", v.PersistentBits)
	}
	if v.CheckByVIP {
		limit("checkpath", "connections of the proxy go to real servers and not to the VIP, as its checks do: leave it out, or use dataplane = ipvs")
	}
	return limits
}

func schedulerLimits(v dataplane.VirtualService) []*dataplane.Limit {
	known, ok := table.Flags(v.Scheduler)
	if !ok {
		return []*dataplane.Limit{{Directive: "scheduler", Reason: fmt.Sprintf(
			"the proxy has no scheduler %q: use one of %s",
			v.Scheduler, strings.Join(table.Schedulers(), " "))}}
	}
	var limits []*dataplane.Limit
	for _, flag := range v.SchedFlags {
		if !slices.Contains(known, flag) {
			limits = append(limits, &dataplane.Limit{Directive: "schedflags", Reason: fmt.Sprintf(
				"scheduler %s of the proxy has no flag %q: leave it out", v.Scheduler, flag)})
		}
	}
	return limits
}

func realLimit(id dataplane.ServiceID, rs dataplane.RealServer) string {
	switch {
	case rs.Weight < 0 || rs.Weight > maxWeight:
		return fmt.Sprintf("weight %d is not between 0 and %d", rs.Weight, maxWeight)
	case rs.Sorry && rs.Addr == netip.AddrPort{}:
		return ""
	case !rs.Addr.Addr().IsValid():
		return "a real server of the proxy needs an address"
	case rs.Addr.Port() == 0:
		return "the proxy needs a port to connect to: name the port of the real server"
	case id.Catches(rs.Addr) && !rs.Sorry:
		return fmt.Sprintf("real server %s is the service itself: connections would run in a circle", rs.Addr)
	}
	return ""
}
