// Package vip puts the addresses of virtual services on links, keeps them
// there and announces them to the neighbours. Without it an operator needs
// keepalived, a cluster manager or commands by hand.
//
// It needs CAP_NET_ADMIN, and CAP_NET_RAW to announce.
package vip
