// Package ipvs is the kernel dataplane: it programs the virtual services of
// the kernel's IPVS through netlink. No packet passes through this process.
//
// The tables belong to the network namespace, not to the process: what was
// programmed goes on forwarding when the process ends.
package ipvs

import _ "github.com/moby/ipvs"
