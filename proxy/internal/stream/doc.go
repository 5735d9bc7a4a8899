// Package stream forwards TCP connections between clients and real servers, as
// handlers of the engine's workers. All workers share a [Forwarder]. A handler has
// the connections of one worker. It shares and locks only the books of a service,
// when a connection begins and ends.
//
// # The life of a connection
//
// For every service each worker has a listening socket of its own, and the
// kernel distributes clients among them (SO_REUSEPORT).
//
//	acceptor  acceptUpTo, begin    a client is accepted, and has a place
//	handler   awaitHeader,         a trusted proxy names the client
//	          readHeader
//	          enter                the client is allowed, and within its limits
//	dialer    connectNext, connect the books choose a real server; nothing is read
//	          enqueue, dequeued    all real servers that could take it are full
//	          connectEvent         the answer: established, or connectFailed and
//	                               the next real server
//	          sendHeader           the PROXY header goes to the real server
//	relay     relayBoth, relayWay  each way: readOnce and write, or splice
//	          passEnds             the end of one way is passed on
//	handler   end, passReset, cut  both ways have ended, or a side was reset
//
// # How a connection ends
//
// Every connection gives back, once, its place in the limit of connections and its
// place in the limits of its source (refs.source). The columns are its claim in the
// books, its sockets, the stash or pipe of each way, and its timer.
//
//	function     when                            claim        sockets        buffers, timer
//	end          both ways have ended            Done         closed         given back
//	cut          reset, idle, removed with cut,  Done         reset          given back
//	             the worker shuts
//	resetClient  denied, no PROXY header, no     has none     client: reset  given back
//	             real server took it (refuse)
//	abandonWait  the client has gone while it    Done, if it  client: reset  given back
//	             waited in the queue             was served
//	handOver     the sorry server answers        Done by the  client: kept   given back
//	                                             sorry server by the sorry
//	                                                          server
//
// A connection that is handed over keeps its place until the sorry server is
// done with it. An attempt to connect that fails gives back its claim (Failed,
// or Done where the fault is this host's) and its socket to the real server, and
// the connection goes on to the next one.
//
// # Clients
//
// Only clientOf determines the client of a connection: the one that a trusted proxy
// has named, or else the peer, which the kernel is asked for only where it is
// needed. A header to the real server is written into the buffer before what is read
// from the client, and both are sent at once: that costs what sending the request
// does. A write of its own that waits for more (MSG_MORE) was a twentieth more
// expensive.
//
// # Events
//
// Both sockets of a connection are registered once, edge-triggered, for everything. An
// event only notes on its side what may be possible; relayBoth then tries. A read that
// does not fill the buffer has taken all there was, so that a request costs one read
// and one write, and no third call that finds nothing. Only where an end or an urgent
// byte is known to wait behind it does reading go on. A way passes on a share at most
// before others are served, and continues from the queue, since there will be no other
// event. Spliced ways are served from the queue alone, after everything else, until
// the iteration has had its share: a request beside any number of them waits for one
// MiB. That costs one wait for events for each MiB, a hundredth of what passing it on
// takes.
//
// An event names its connection by index and generation. An event for a
// connection that is over finds that the generation has changed.
//
// # Bytes
//
// All ways of a worker read into one buffer and write from it at once. Bytes that
// the other side does not take are stashed, nothing more is read for it, and the
// window of the sender closes. After two full buffers a way is spliced through a
// pipe, which it has only while something is in it, until little arrives at a
// time. The path of the bytes allocates nothing and takes no lock. Bytes are put
// into the books once a tick.
//
// A worker that is faster than the sender is still woken up for each segment,
// which is what one spliced way costs more than in haproxy; SO_RCVLOWAT (see
// lowWater) makes the kernel wake it up for 128 KiB at a time. Pipes of 64 KiB
// and of 1 MiB, and giving the thread up once before the wait, were tried and
// gained nothing beyond the noise.
//
// # Full servers
//
// A client that waits for a real server is in the queue of the books, which all
// workers share. Its worker watches its socket for a reset, and the time. The worker
// that gives a claim back chooses, under the lock of the books, the client that is
// served next. The mailbox only tells that client's worker to fetch the claim. If
// the client has gone by then the worker gives the claim back, and the next client
// gets it.
//
// # Resets
//
// A reset is passed on as a reset, after the bytes that came before it. The kernel
// reports a reset once, to the first call that asks. So a side is marked as broken
// from the event, the failed read or the failed write, and its end is then not taken
// for an orderly one.
package stream
