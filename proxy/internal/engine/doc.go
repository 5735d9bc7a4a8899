// Package engine is the ground that the proxy's halves stand on: workers, each
// an event loop on a thread of its own, with their clocks, mailboxes and
// sockets. It knows events, time, memory and threads, and calls handlers; it
// has no idea of connections, flows or services.
//
// # Workers
//
// A worker is a goroutine on a thread of its own with an epoll instance of its
// own. In each iteration it waits for events and gives each to the handler that has
// registered the socket, does what its mailbox asks for, and lets every handler
// end the iteration. The state of a handler belongs to its worker: nothing of it
// is shared or locked. Others reach a worker by its mailbox alone, and nobody
// waits for a worker without a limit, see task.
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
// at once takes a third of the time. Go is given one thread more than there are
// workers, so that other goroutines do not wait for one that waits.
//
// # Time
//
// A tick is a tenth of a second. Something that moves only writes down the
// tick; the wheel brings each number up when something could be over, and it is
// put back if it is not. A worker that has nothing to do sleeps, and is woken up
// every second to show that it still iterates: one that does not is reported.
package engine
