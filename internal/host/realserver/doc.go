// Package realserver prepares a machine to be a real server of virtual
// services that reach it by direct routing (gate) or tunnelling (ipip): the
// VIP on a link that does not answer for it, the settings of ARP and reverse
// path filtering, the tunnel link.
//
// What is to be done is a pure function of what is wanted and what is there;
// checking prints it, applying does it.
package realserver
