// Package returnpath brings the answers of real servers back to connections
// that were made with the address of a client (transparent = yes). On their way
// to the client they come through this host, and have to end here.
//
// For every real server there is a rule for packets from its address and port,
// which leads to a table of routes by which everything is local. So neither a
// packet filter nor a mark is needed. Packets for an address of this host, such as
// the answers to checks, are delivered before this table is asked.
package returnpath
