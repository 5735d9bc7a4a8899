package engine

import "golang.org/x/sys/unix"

// A Handler does one half of a worker's tasks: TCP or UDP. Only the worker calls
// its methods, on the worker's goroutine.
type Handler interface {
	// Event handles an event of a socket, with the identifier and generation
	// that it was registered with. The socket may be closed by now.
	Event(id int32, gen, events uint32)
	// Tick is called when a new tick has begun, before the events of the iteration.
	Tick()
	// EndIteration is called at the end of each iteration.
	EndIteration()
	// Next returns the number of ticks until the handler has something to do
	// without an event, 0 for at once; false if it waits for events alone.
	Next() (ticks int, ok bool)
	// Shut ends everything. It is the last call.
	Shut()
}

// idBits are those of an identifier; the handler's number is above them.
const idBits = 28

// Subject is set in the identifiers of a handler's second kind of sockets, which
// are numbered apart.
const Subject = 1 << (idBits - 1)

// Events registers sockets for one handler of one worker. Only the worker may
// use it.
type Events struct {
	poller *poller
	number int32 // the handler's, above idBits
}

// Add registers a socket. Its events come with id, below 1<<28, and gen.
func (e Events) Add(fd int32, events uint32, id int32, gen uint32) unix.Errno {
	return e.poller.control(unix.EPOLL_CTL_ADD, fd, events, e.number|id, int32(gen))
}

// Change sets the events that are reported of a socket, and reports those that are
// there already once more.
func (e Events) Change(fd int32, events uint32, id int32, gen uint32) unix.Errno {
	return e.poller.control(unix.EPOLL_CTL_MOD, fd, events, e.number|id, int32(gen))
}

// Forget removes a socket. None of its events is reported any more.
func (e Events) Forget(fd int32) { e.poller.forget(fd) }
