// Package neighbor finds out which machines on a link answer for an address: by
// ARP (RFC 826, with the probes of RFC 5227) for IPv4, and by neighbour discovery
// (RFC 4861) for IPv6. An address that another machine answers for, too, takes
// packets away from this host.
//
// It works in the network namespace of the calling thread, and needs CAP_NET_RAW.
package neighbor
