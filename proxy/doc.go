// Package proxy is the userspace dataplane: it accepts the connections and
// datagrams of virtual services itself and carries them to real servers over
// connections of its own. It needs nothing from the kernel but sockets.
//
// What is decided and counted is kept by an internal package without sockets;
// connections and flows are carried by another one, with an event loop for each
// core. This package is what both serve.
//
// Real servers see the director's address as the client's, unless the service
// tells them the client's by the PROXY protocol or as the source of connections.
// Forwarding methods make no difference here but for the port, which the caller
// has mapped.
package proxy
