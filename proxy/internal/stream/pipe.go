package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// pipeSize is the requested size; a user with many large pipes gets smaller
	// ones.
	pipeSize = 256 << 10
	// maxPipes is the greatest number of pipes of a worker.
	maxPipes = 256
	// sparePipes are kept for the next stream.
	sparePipes = 16
)

// A pipe holds what is spliced between two sockets. The zero value is none.
type pipe struct{ out, in int32 }

func (p pipe) there() bool { return p != pipe{} }

func (p pipe) close() {
	engine.CloseFD(p.out)
	engine.CloseFD(p.in)
}

// pipes are the pipes of a worker. No connection holds an empty one.
type pipes struct {
	limit int
	spare []pipe
	open  int
	fds   [2]int32
}

// take returns an empty pipe, or the zero value if there is none. The way is then
// copied.
func (ps *pipes) take() pipe {
	if last := len(ps.spare) - 1; last >= 0 {
		p := ps.spare[last]
		ps.spare = ps.spare[:last]
		return p
	}
	if ps.open >= ps.limit || makePipe(&ps.fds) != 0 {
		return pipe{}
	}
	ps.open++
	p := pipe{out: ps.fds[0], in: ps.fds[1]}
	_, _, _ = unix.RawSyscall(unix.SYS_FCNTL, uintptr(p.in), unix.F_SETPIPE_SZ, pipeSize)
	return p
}

// put gives an empty pipe back.
func (ps *pipes) put(p pipe) { ps.spare = append(ps.spare, p) }

// discard closes a pipe with bytes that are lost.
func (ps *pipes) discard(p pipe) {
	p.close()
	ps.open--
}

// trim closes spare pipes beyond n.
func (ps *pipes) trim(n int) {
	for len(ps.spare) > n {
		last := len(ps.spare) - 1
		ps.discard(ps.spare[last])
		ps.spare = ps.spare[:last]
	}
}
