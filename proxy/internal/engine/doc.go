// Package engine is the base of the proxy's halves: workers, each an event loop on
// a thread of its own, with their clocks, mailboxes and sockets. It knows events,
// time, memory and threads, and calls handlers. It does not know connections, flows
// or services.
//
// # Workers
//
// A worker is a goroutine on a thread of its own with an epoll instance of its
// own. In each iteration it waits for events and gives each to the handler that has
// registered the socket, runs the functions in its mailbox, and lets every handler
// end the iteration. The state of a handler belongs to its worker: nothing of it
// is shared or locked. Other goroutines reach a worker by its mailbox alone, and
// none waits for a worker without a limit, see task.
//
// # Waiting
//
// System calls that do not block are made without telling the Go scheduler. Where
// events follow each other closely, so is the wait for the next event, for its
// first milliseconds: a scheduler that is told takes the worker's processor (P)
// away, finds nothing to run on it, and wakes its monitor thread up when the worker
// comes back. With one stream, which waits thousands of times a second, the monitor
// took three tenths of all processor time; now it takes a hundredth. With ten
// requests a second it is the other way round: the monitor watches a worker that
// seems to be running, and telling the scheduler at once takes a third of the time.
// Go gets one processor more than there are workers, so that other goroutines do
// not wait for a waiting worker.
//
// # Time
//
// A tick is a tenth of a second. Activity only stores the tick. The wheel returns
// each number when its timeout may be over, and takes it again if not. An idle
// worker sleeps, and is woken up every second to show that it still iterates; one
// that does not is reported as stuck.
package engine
