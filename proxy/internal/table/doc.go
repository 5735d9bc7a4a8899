// Package table keeps the books of a userspace dataplane: which real servers a
// virtual service has, whose turn it is, which client is pinned to which of
// them, and what has been counted.
//
// It has no idea of sockets. An engine asks a [Service] for a real server with
// Pick, says with the [Claim] it gets what became of the connection, and ends
// with Done or Failed, exactly once. With Join it has a client wait for a
// server that is full. Whatever carries the bytes can be
// exchanged without touching this package.
//
// Schedulers, thresholds and persistence mean what they mean in the kernel's
// net/netfilter/ipvs, so that one configuration means the same on both
// dataplanes.
package table
