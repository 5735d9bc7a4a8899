// Package returnpath brings the answers of real servers back to connections
// that were made with the address of a client (transparent = yes): on their way
// to the client they come through this host, and are to end here.
//
// For every real server there is a rule for packets from its address and port,
// which leads to a table of routes by which everything is local. So neither a
// packet filter nor a mark is needed. What is really for this host, such as the
// answers to checks, has been delivered by then.
package returnpath
