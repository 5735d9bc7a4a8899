package admin

import (
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// Counters of the dataplane stand apart from the rest: they are left out while the
// dataplane cannot be read, because a counter that falls to 0 and rises again would
// count all of its traffic twice.
var (
	serviceTraffic = slices.Concat(
		traffic(service, "", "", func(sv *director.ServiceStatus) *dataplane.Counters { return &sv.Counters }),
		traffic(service, "fallback_", " The fallback alone.", func(sv *director.ServiceStatus) *dataplane.Counters { return &sv.FallbackCounters }),
		[]metric[director.ServiceStatus]{
			service.counter("refused_connections_total", "Clients that no real server could take. Always 0 on IPVS: the kernel refuses them without counting.",
				func(sv *director.ServiceStatus) uint64 { return sv.Counters.Refused }),
			service.metric(counterKind, "refusals_total", "Refused clients by reason: unusable, unreachable, queue, bound, ports. 0 where the dataplane does not see them.", []string{"reason"},
				func(sv *director.ServiceStatus, emit sample) {
					for why, n := range sv.Counters.Refusals {
						emit(float64(n), dataplane.Refusal(why).String())
					}
				}),
			service.counter("denied_clients_total", "Clients refused by allow or deny; with UDP, datagrams. 0 where the dataplane does not filter clients.",
				func(sv *director.ServiceStatus) uint64 { return sv.Counters.Denied }),
			service.counter("throttled_clients_total", "Clients refused by sourceconnections or sourcerate; with UDP, datagrams.",
				func(sv *director.ServiceStatus) uint64 { return sv.Counters.Throttled }),
			service.counter("missing_proxy_header_total", "Connections and datagrams from trusted proxies without a valid PROXY header.",
				func(sv *director.ServiceStatus) uint64 { return sv.Counters.MissingProxyHeader }),
			service.counter("persistence_overflow_total", "Clients that lost their real server early, or never got one to keep, because the table of persistence was full.",
				func(sv *director.ServiceStatus) uint64 { return sv.Counters.PersistenceOverflow }),
			service.counter("queued_clients_total", "Clients that had to wait because every usable real server had as many connections as its maxconn.",
				func(sv *director.ServiceStatus) uint64 { return sv.Counters.Queued }),
			service.gauge("waiting_clients", "Clients that wait for a real server now.",
				func(sv *director.ServiceStatus) float64 { return float64(sv.Waiting) }),
			service.gauge("full", "1 if clients wait to be accepted because the service has reached its limit of connections; see maxconnections.",
				func(sv *director.ServiceStatus) float64 { return truth(sv.Full) }),
			service.counter("cut_connections_total", "Connections and flows ended because their real server was found down, with ondown=cut.",
				func(sv *director.ServiceStatus) uint64 { return sv.Counters.Cut }),
		},
	)
	serverTraffic = append(
		traffic(server, "", "", func(r *director.ServerStatus) *dataplane.Counters { return &r.Counters }),
		server.gauge("active_connections", "Connections and UDP flows that carry traffic now.",
			func(r *director.ServerStatus) float64 { return float64(r.Active) }),
		server.counter("cut_connections_total", "Connections and flows ended because the real server was found down, with ondown=cut.",
			func(r *director.ServerStatus) uint64 { return r.Counters.Cut }),
		server.gauge("inactive_connections", "Connections that have ended and are still known; always 0 on the proxy.",
			func(r *director.ServerStatus) float64 { return float64(r.Inactive) }),
		server.gauge("persistent_clients", "Clients that persistence keeps on the real server.",
			func(r *director.ServerStatus) float64 { return float64(r.Persistent) }),
	)
)

// traffic returns the metrics of forwarded traffic. In is from clients to real
// servers, as in dataplane.Counters.
func traffic[T any](sc scope[T], prefix, note string, of func(*T) *dataplane.Counters) []metric[T] {
	count := func(name, help string, field func(*dataplane.Counters) uint64) metric[T] {
		return sc.counter(prefix+name, help+note, func(v *T) uint64 { return field(of(v)) })
	}
	return []metric[T]{
		count("connections_total", "Connections and UDP flows given to a real server.", func(c *dataplane.Counters) uint64 { return c.Connections }),
		count("connect_failures_total", "Failed attempts to connect to a real server.", func(c *dataplane.Counters) uint64 { return c.Failures }),
		count("in_bytes_total", "Bytes from clients to real servers.", func(c *dataplane.Counters) uint64 { return c.InBytes }),
		count("out_bytes_total", "Bytes from real servers to clients.", func(c *dataplane.Counters) uint64 { return c.OutBytes }),
		count("in_packets_total", "Packets from clients to real servers; 0 where the dataplane sees none.", func(c *dataplane.Counters) uint64 { return c.InPackets }),
		count("out_packets_total", "Packets from real servers to clients; 0 where the dataplane sees none.", func(c *dataplane.Counters) uint64 { return c.OutPackets }),
	}
}
