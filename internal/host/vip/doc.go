// Package vip puts the addresses of virtual services on links, keeps them
// there and tells the neighbours: what a director without keepalived or a
// cluster manager would otherwise have done by hand.
//
// It needs CAP_NET_ADMIN, and CAP_NET_RAW to announce.
package vip
