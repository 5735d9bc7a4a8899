// Package wire makes packets and watches them. It observes on the links what no
// socket can show of a director.
//
// A [Sender] sends SYNs and datagrams from thousands of source addresses. A
// [Watcher] captures on the director's links, and on those of the real servers
// where one wants to know that packets arrived; its [Observation] pairs what
// entered the director with what left it, and says which real server got which
// connection in which order, what was lost, how long packets took and what was
// rewritten.
//
// Packets are compared as they are on the wire, so links must not be handed
// segments larger than a packet or checksums that are yet to be computed. veth
// pairs are by default: see [Plain].
package wire
