package proxy

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// bufferSize holds the largest datagram.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// rawConn is the part of syscall.RawConn used here.
type rawConn interface {
	Read(ready func(fd uintptr) bool) error
	Control(f func(fd uintptr)) error
}

// A reader reads a socket into a buffer that it takes when there is something
// to read, so that thousands of silent sockets cost none. It is for one
// goroutine.
type reader struct {
	raw   rawConn
	ready func(fd uintptr) bool
	buf   *[bufferSize]byte
	n     int
	err   error
}

func newReader(raw rawConn) *reader {
	r := &reader{raw: raw}
	r.ready = r.try
	return r
}

// read waits for something to read and returns it; release has to follow. No
// bytes are the end of a stream, or an empty datagram.
func (r *reader) read() ([]byte, error) {
	if err := r.raw.Read(r.ready); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.buf[:r.n], nil
}

func (r *reader) release() {
	buffers.Put(r.buf)
	r.buf = nil
}

func (r *reader) try(fd uintptr) bool {
	r.buf = buffers.Get().(*[bufferSize]byte)
	for {
		r.n, r.err = unix.Read(int(fd), r.buf[:])
		if !errors.Is(r.err, unix.EINTR) {
			break
		}
	}
	if r.err != nil {
		r.release()
	}
	return !errors.Is(r.err, unix.EAGAIN)
}
