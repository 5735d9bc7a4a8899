// Package proxy is the userspace dataplane: it accepts the connections and
// datagrams of virtual services itself and forwards them to real servers over
// sockets of its own. It needs nothing from the kernel but sockets.
//
// Its internal packages are engine (an event loop for each core), stream (TCP
// connections), dgram (UDP flows), virtual (the part of a service that both share),
// table (scheduling, persistence and counters, without sockets) and screen (access
// and limits of sources). This package joins them behind the contract of a
// dataplane.
//
// Real servers see the director's address as the client's, unless the service
// tells them the client's by the PROXY protocol or as the source of connections.
// Forwarding methods make no difference here but for the port, which the caller
// has mapped.
package proxy
