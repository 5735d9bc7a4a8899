// Package ipvs is the kernel dataplane: it programs the virtual services of
// the kernel's IPVS through netlink. No packet passes through this process.
//
// The table belongs to the network namespace, not to the process: services go on
// forwarding when the process ends. A service that is in the table already when
// it is first applied is adopted: differences are changed in place, and real
// servers that are not wanted are removed.
//
// A new service refuses connections until all its real servers are in place. The
// kernel puts a new real server at the head of its list, and rr and wrr go by
// that list: a new service begins with the first real server of the
// configuration, and one that is added later comes before all others. The order
// of the others never changes.
package ipvs
