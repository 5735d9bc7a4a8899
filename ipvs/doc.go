// Package ipvs is the kernel dataplane: it programs the virtual services of
// the kernel's IPVS through netlink. No packet passes through this process.
//
// The table belongs to the network namespace, not to the process: what was
// programmed goes on forwarding when the process ends. A service that is in
// the table already when it is first applied is taken over as it stands: what
// differs is changed in place, and real servers that are not wanted leave.
//
// A new service is built behind closed doors and opens with all its real
// servers at once. The kernel puts a new real server at the head of its list,
// and rr and wrr go by that list: a new service begins with the first real
// server of the configuration, and one that is added later comes before all
// others. The order of what is there never changes.
package ipvs
