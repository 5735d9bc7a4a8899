// Package realserver prepares a machine to be a real server of virtual
// services that reach it by direct routing (gate) or tunnelling (ipip): the
// VIP on a link that does not answer for it, the settings of ARP and reverse
// path filtering, the tunnel link.
//
// The plan is a pure function of the options and the state of the host: a check
// prints it, an apply carries it out.
package realserver
