package engine

import "golang.org/x/sys/unix"

// A Handler is one half of what a worker does. All methods are called by the
// worker alone, on its own goroutine.
type Handler interface {
	// Event handles an event of a socket, with the identifier and generation
	// that it was registered with. The socket may be closed by now.
	Event(id int32, gen, events uint32)
	// Tick is called when a new tick has begun, before the events of the turn.
	Tick()
	// Turn is called at the end of each turn.
	Turn()
	// Next returns in how many ticks there is something to do without an
	// event, 0 for at once; false if there is nothing.
	Next() (ticks int, ok bool)
	// Shut ends everything. It is the last call.
	Shut()
}

// idBits are those of an identifier; the handler's number is above them.
const idBits = 28

// Subject is set in the identifier of what is not numbered like the rest:
// identifiers of a handler are below it, or have it added.
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

// Change has other events of a socket come, and those that are there already
// once more.
func (e Events) Change(fd int32, events uint32, id int32, gen uint32) unix.Errno {
	return e.poller.control(unix.EPOLL_CTL_MOD, fd, events, e.number|id, int32(gen))
}

// Forget takes a socket out, so that no event of it comes any more.
func (e Events) Forget(fd int32) { e.poller.forget(fd) }
