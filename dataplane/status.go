package dataplane

import (
	"net/netip"
	"time"
)

// Counters only ever grow while a service is served. They count what has been
// forwarded, as far as the dataplane can see it; packets are 0 where it does
// not see packets.
type Counters struct {
	Connections uint64 `json:"connections"` // TCP connections and UDP flows given to a real server
	InPackets   uint64 `json:"in_packets"`  // from clients to real servers
	OutPackets  uint64 `json:"out_packets"` // from real servers to clients
	InBytes     uint64 `json:"in_bytes"`
	OutBytes    uint64 `json:"out_bytes"`
	// Failures counts failed attempts to connect to a real server.
	Failures uint64 `json:"failures"`
	// Refused counts clients that no real server could take, and Refusals the
	// same clients by reason, as far as the dataplane can tell.
	Refused  uint64   `json:"refused"`
	Refusals Refusals `json:"refusals"`
	// PersistenceOverflow counts clients for which the table of persistence was
	// full: they lost their real server early, or never got one to keep.
	PersistenceOverflow uint64 `json:"persistence_overflow"`
	// Denied counts clients that are not allowed, Throttled those beyond the
	// limits of their source, MissingProxyHeader those of trusted proxies
	// without a valid PROXY header. Refused includes none of them.
	Denied             uint64 `json:"denied"`
	Throttled          uint64 `json:"throttled"`
	MissingProxyHeader uint64 `json:"missing_proxy_header"`
	// Queued counts clients that had to wait for a real server; those that
	// waited in vain are counted in Refused, too.
	Queued uint64 `json:"queued"`
	// Cut counts connections and flows that were ended because their real server
	// went down.
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
	c.PersistenceOverflow += d.PersistenceOverflow
	c.Denied += d.Denied
	c.Throttled += d.Throttled
	c.MissingProxyHeader += d.MissingProxyHeader
	c.Queued += d.Queued
	c.Cut += d.Cut
	return c
}

// A ServiceStatus is a virtual service as it is served now.
type ServiceStatus struct {
	// Service is the service in force; its RealServers are as in Servers.
	Service VirtualService
	// Counters are those of the service since it was created, including real
	// servers that were removed since.
	Counters Counters
	Servers  []ServerStatus
	// Left are real servers that were removed: their addresses, the connections
	// they still have, and their counters.
	Left []ServerStatus
	// Changes lists the differences between Service and the service that was
	// applied last, made by another program; each is a clause. Nil for none.
	Changes []string
	// Missing are the real servers that were applied last and that another
	// program has removed from Service.
	Missing []netip.AddrPort
	// Waiting is the number of clients that wait for a real server now.
	Waiting int
	// Lag is how far the figures may be behind what has happened.
	Lag time.Duration
	// Holds says why flows to a real server that is removed would not go to another one
	// with their next datagram; empty if they do. Only Look has it.
	Holds string
	// Full reports that clients wait to be accepted because the service has
	// reached its share of the dataplane's connections.
	Full bool
}

// A ServerStatus is one real server of a service as it is served now.
type ServerStatus struct {
	RealServer
	Counters Counters
	// Active connections and flows carry traffic. Inactive connections have
	// ended and are still known (IPVS only). Persistent counts the clients that
	// persistence keeps on this real server.
	Active, Inactive, Persistent int
}
