// Package table keeps the books of a userspace dataplane: the real servers of a
// virtual service, the state of its scheduler, the clients that are pinned to a
// real server, and the counters.
//
// It knows no sockets. An engine asks a [Service] for a real server with Pick,
// counts by the [Claim] that it gets what the connection does, and ends the claim
// with Done or Failed, exactly once. Join lets a client wait for a server that is
// full.
//
// Schedulers, thresholds and persistence mean what they mean in the kernel's
// net/netfilter/ipvs, so that one configuration means the same on both
// dataplanes.
package table
