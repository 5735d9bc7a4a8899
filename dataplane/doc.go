// Package dataplane is the contract of everything that forwards the traffic of
// virtual services, and the types that all of it shares: virtual service, real
// server, forwarding method, scheduler.
//
// A Dataplane is given whole virtual services, not commands. It finds out for
// itself what has to change and changes no more than that, in an order in
// which a service is never without a usable real server. The promises are
// kept as tests over real traffic in package dataplanetest; a promise that is
// not in that suite is not a promise.
//
// The package imports nothing else of the project.
package dataplane
