// Package stream forwards TCP connections between clients and real servers, as
// handlers of the engine's workers.
//
// # One connection
//
// A worker is a goroutine on a thread of its own with an epoll instance of its
// own. For every service it has its own listening socket, and the kernel
// distributes clients among those of all workers (SO_REUSEPORT). From then on
// a connection belongs to its worker, and nothing about it is shared or locked
// but the books of its service when it begins and ends:
//
//	accept   admit, begin    the listener has a client
//	         expect, readHeader    a trusted proxy says who it is
//	         enter, screen   it is allowed, and within the limits of its source
//	wait     await, called   all that could take it are full
//	connect  reach, dial     the books choose a real server; nothing is read
//	         progress        the answer: join, or unreached and reach again
//	         introduce       the real server is told who it is
//	relay    move, carry     each way: fill reads, pass and drain write
//	end      conclude        the end of one way is told, of both is the end
//	         settle, cut     a reset on one side becomes one on the other
//
// # Clients
//
// Who the client of a connection is has one home, clientOf: the one that a
// trusted proxy has named, or else the kernel's answer, which is asked for only
// where it is needed. A header to the real server is written into the buffer
// before what is read from the client, and both are sent at once: that costs
// what sending the request does, where a write of its own that waits for more
// (MSG_MORE) was a twentieth on top.
//
// # Events
//
// Both sockets of a connection are registered once, edge-triggered, for
// everything. An event only notes on its side what may be possible; move then
// tries. A read that does not fill the buffer has taken all there was, so that
// a request costs one read and one write on its way and not a third call to
// find nothing; only where an end or an urgent byte is known to wait behind it
// does reading go on. A way passes on at most a share before others have their
// turn, and goes on from the queue, since there will be no other event. Streams
// are carried from the queue alone, after everything else and until the turn
// has had its share, so that a request beside any number of them waits for a
// MiB. That costs a wait for events for each MiB, a hundredth of what it takes
// to pass it on.
//
// An event names its connection by place and generation. One for a connection
// that is over finds that the generation has changed.
//
// # Bytes
//
// All ways of a worker read into one buffer and write from it at once. What
// the other side does not take is stashed, nothing more is read for it, and its
// sender is held back by its own window. After two full buffers a way is
// spliced through a pipe, which it has only while there is something in it,
// until little arrives at a time. On the path of the bytes there is no
// allocation and no lock. Bytes are put into the books once a tick.
//
// # Streams
//
// A worker that is ahead of the sender is still woken up for each segment,
// which is what one stream costs beyond what it costs in haproxy. Tried without
// gain beyond the noise: pipes of 64 KiB and of 1 MiB, giving the thread up
// once before the wait, and SO_RCVLOWAT, which would also hold the last bytes
// of an answer back.
//
// # Full servers
//
// Who waits for a place is in the queue of the books, which know all workers,
// and its worker watches its socket for a reset and the time. Whoever gives a
// place back chooses, under the lock of the books, whose it is next; what goes
// through the mailbox is only that there is something to fetch. A worker that
// fetches it too late, for a client that has gone, gives it back, and it
// is the next one's.
//
// # Resets
//
// A reset is passed on as a reset, after what came before it. The kernel tells
// of one once, to whichever call is first, so that a side is remembered as
// broken from the event, the failed read or the failed write, and its end is
// then not taken for one in good order.
package stream
