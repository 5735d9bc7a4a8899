// Package dgram forwards UDP datagrams between clients and real servers, as
// handlers of the engine's workers.
//
// A flow is what one client sends to one service by UDP, and what comes back.
// It has a socket connected to its real server, so that the kernel tells which
// flow a reply belongs to, and that nobody listens (ICMP). Clients are received
// from and answered through one socket for each worker and service:
//
//	receive  route           up to 64 datagrams, each put behind what its flow has
//	embark   board, launch   the books choose a real server for a new flow
//	forward  ship            each flow sends what it has
//	collect  reply, flush    replies of all flows are sent 64 at a time
//	end      depart          idle, evicted, refused, removed
//
// Datagrams of one flow that follow each other and have one size are handed to
// the kernel as one message, which it cuts up (UDP_SEGMENT), and taken from it
// as one where it has them as one (UDP_GRO). Where it cannot cut a run up, since
// a datagram would be fragmented or the link computes no checksums, the flow
// does without from then on.
//
// Flows are found by a hash of the client's address, and stand in lists by how
// much they have to show for themselves and when something last moved. That
// gives the one to end when it is idle, or in the way of a new one. They have
// no timers. Their number is bounded over all workers; one that has none of its
// own to end asks the others to.
package dgram
