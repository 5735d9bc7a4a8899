package stream

import (
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// pipeSize is asked for; a user who has many large pipes already gets
	// smaller ones.
	pipeSize = 256 << 10
	// maxPipes bounds those of a worker.
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

// pipes are those of a worker. None is held while it is empty.
type pipes struct {
	limit int
	spare []pipe
	open  int
	fds   [2]int32
}

// take returns an empty pipe, the zero value if there is none to be had. The
// way that wants it is then copied.
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

// discard gets rid of one that holds something nobody takes.
func (ps *pipes) discard(p pipe) {
	p.close()
	ps.open--
}

// trim closes those that are spare beyond n.
func (ps *pipes) trim(n int) {
	for len(ps.spare) > n {
		last := len(ps.spare) - 1
		ps.discard(ps.spare[last])
		ps.spare = ps.spare[:last]
	}
}
