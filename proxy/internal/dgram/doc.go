// Package dgram forwards UDP datagrams between clients and real servers, as
// handlers of the engine's workers. All workers share a [Forwarder]. A handler has
// the ports and flows of one worker.
//
// # The life of a flow
//
// A flow is the datagrams that one client sends to one service, and the replies. It
// has a socket connected to its real server, so that the kernel tells which flow a
// reply belongs to, and that nobody listens (ICMP). One socket for each worker and
// service receives from clients and answers them:
//
//	requests  receive, route     up to 64 datagrams, each queued at its flow
//	opener    openFlow, newFlow  the books choose a real server for a new flow
//	requests  forward, send      each flow sends what it has
//	replies   collect, flush     replies of all flows are sent 64 at a time
//	handler   drop               idle, removed, cut
//	          replace            evicted for a new flow, which gets its place
//	          serverFailed       the real server does not listen: drainReplies,
//	                             then its clients avoid it for a while
//
// Each of the last three closes the socket, takes the flow out of the index and
// the LRU list, gives back its claim and what its source has of the service, and,
// but for replace, its place in the limit of flows.
//
// # Runs
//
// Datagrams of one flow that follow each other and have one size are handed to
// the kernel as one message, which it cuts up (UDP_SEGMENT), and are taken from
// it as one message where it has them so (UDP_GRO). Where the kernel cannot cut a
// run up, since a datagram would be fragmented or the link computes no checksums,
// the flow sends its datagrams one by one from then on.
//
// # Limits
//
// Flows are found by a hash of the client's address. They are in LRU lists by
// their class: nothing has come back, something has, or the client has sent more
// since. That gives the flow to end when it is idle, or when a new one needs its
// place. Flows have no timers. Their number is limited over all workers; a worker
// that has none of its own to evict asks the others to.
package dgram
