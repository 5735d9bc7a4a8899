package dataplane

import "net/netip"

// Counters only ever grow while a service is served. They count what has been
// forwarded, as far as the dataplane can see it; packets are 0 where it does
// not see packets.
type Counters struct {
	Connections uint64 `json:"connections"` // TCP connections and UDP flows given to a real server
	InPackets   uint64 `json:"in_packets"`  // from clients to real servers
	OutPackets  uint64 `json:"out_packets"` // from real servers to clients
	InBytes     uint64 `json:"in_bytes"`
	OutBytes    uint64 `json:"out_bytes"`
	// Failures are attempts to reach a real server that came to nothing.
	Failures uint64 `json:"failures"`
	// Refused are clients that no real server could take, Refusals the same by
	// why, as far as the dataplane can tell.
	Refused  uint64   `json:"refused"`
	Refusals Refusals `json:"refusals"`
	// Unpinned are clients that persistence had no room for: they were
	// scheduled anew before their time, or are with each connection.
	Unpinned uint64 `json:"unpinned"`
	// Denied are clients that are not allowed, Throttled those beyond the
	// limits of their source, Unintroduced those of trusted proxies that did
	// not say who they are. None of them are among Refused.
	Denied       uint64 `json:"denied"`
	Throttled    uint64 `json:"throttled"`
	Unintroduced uint64 `json:"unintroduced"`
	// Queued are clients that had to wait for a real server; those that waited
	// in vain are among Refused.
	Queued uint64 `json:"queued"`
	// Cut are connections and flows ended because their real server is down.
	Cut uint64 `json:"cut"`
}

// Add returns the sums of c and d, field by field.
func (c Counters) Add(d Counters) Counters {
	c.Connections += d.Connections
	c.InPackets += d.InPackets
	c.OutPackets += d.OutPackets
	c.InBytes += d.InBytes
	c.OutBytes += d.OutBytes
	c.Failures += d.Failures
	c.Refused += d.Refused
	c.Refusals = c.Refusals.Add(d.Refusals)
	c.Unpinned += d.Unpinned
	c.Denied += d.Denied
	c.Throttled += d.Throttled
	c.Unintroduced += d.Unintroduced
	c.Queued += d.Queued
	c.Cut += d.Cut
	return c
}

// A ServiceStatus is a virtual service as it is served now.
type ServiceStatus struct {
	// Service is what is in force; its RealServers are as in Servers.
	Service VirtualService
	// Counters are those of the service since it was created, real servers
	// that have left included.
	Counters Counters
	Servers  []ServerStatus
	// Left are real servers that were served before and are not now: where they
	// were, what is left of their connections, and what was counted for them.
	Left []ServerStatus
	// Changes say in what Service is not what was applied last, because somebody
	// else has changed it; each is a clause of its own. Nil if in nothing.
	Changes []string
	// Missing are the real servers of what was applied last that somebody else
	// has removed from Service.
	Missing []netip.AddrPort
	// Waiting are the clients that wait for a real server now.
	Waiting int
	// Holding is that clients wait to be accepted, because the service has as
	// many connections as it may within the bound of the dataplane.
	Holding bool
}

// A ServerStatus is one real server of a service as it is served now.
type ServerStatus struct {
	RealServer
	Counters Counters
	// Active connections and flows carry traffic, Inactive ones are known
	// but ended (IPVS only), Persistent are the clients pinned here.
	Active, Inactive, Persistent int
}
