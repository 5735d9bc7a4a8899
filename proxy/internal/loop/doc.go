// Package loop carries TCP connections and UDP datagrams between clients and
// real servers, with an event loop for each core instead of goroutines for
// each connection and flow.
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
//	         expect, hear    a trusted proxy says who it is
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
// # Waiting
//
// System calls that do not block are made without telling the Go scheduler. So
// is the wait for the next event, for its first milliseconds, where events
// follow each other closely: a scheduler that is told takes the worker's place
// away, finds nothing to do with it, and has its monitor thread woken up when
// the worker comes back. With one stream, which waits thousands of times a
// second, the monitor took three tenths of all processor time; now it takes a
// hundredth. With ten requests a second it is the other way round: the monitor
// looks after a worker that is not waiting as far as it knows, and to tell it
// at once takes a third of the time. Go is given one thread more than
// there are workers, so that other goroutines do not wait for one that waits.
//
// A worker that is ahead of the sender is still woken up for each segment,
// which is what one stream costs beyond what it costs in haproxy. Tried without
// gain beyond the noise: pipes of 64 KiB and of 1 MiB, giving the thread up
// once before the wait, and SO_RCVLOWAT, which would also hold the last bytes
// of an answer back.
//
// # Time
//
// A tick is a tenth of a second. Something that moves only writes down the
// tick; the wheel looks at each connection when it could be over, and puts it
// back if it is not. A worker that has nothing to do sleeps, and is woken up
// every second to show that it would turn: one that does not is told of.
// Nobody outside waits for a worker without a limit, see task.
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
//
// # Flows
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
package loop
