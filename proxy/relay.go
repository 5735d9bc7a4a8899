package proxy

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// spliceAfter full buffers in a row a direction counts as a stream and is
	// spliced, until a wakeup brings less than spliceMin.
	spliceAfter = 2
	spliceMin   = 16 << 10
	// spliceMax is the size of the runtime's splice pipes. It bounds how much
	// moves before it is counted.
	spliceMax = 1 << 20
)

// errWrite marks that the side written to is gone.
var errWrite = errors.New("write")

// A pump carries one direction of a connection. Both ends are bare
// *net.TCPConn, without which the runtime would not splice.
type pump struct {
	src, dst *net.TCPConn
	raw      rawConn // src
	in       *reader
	moved    func(bytes int)
	back     *pump // the other direction
	// finished says that src has ended and that dst is being told.
	finished atomic.Bool

	full    int // buffers in a row
	stream  io.LimitedReader
	waiting int
	waitErr error
	arrived func(fd uintptr) bool
}

func newPump(dst, src *net.TCPConn, moved func(bytes int)) (*pump, error) {
	raw, err := src.SyscallConn()
	if err != nil {
		return nil, err
	}
	p := &pump{src: src, dst: dst, raw: raw, in: newReader(raw), moved: moved}
	p.arrived = p.peek
	return p, nil
}

// run carries until src ends, and returns nil then. The error is errWrite if
// dst is gone, else what reading from src came to.
func (p *pump) run() error {
	for {
		n, err := p.step()
		if n > 0 {
			p.moved(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (p *pump) step() (int, error) {
	if p.full < spliceAfter {
		return p.copy()
	}
	return p.splice()
}

// copy carries what fits into one buffer.
func (p *pump) copy() (int, error) {
	b, err := p.in.read()
	if err != nil {
		return 0, err
	}
	defer p.in.release()
	if len(b) == 0 {
		return 0, io.EOF
	}
	if p.full++; len(b) < bufferSize {
		p.full = 0
	}
	n, err := p.dst.Write(b)
	if err != nil {
		return n, errWrite
	}
	return n, nil
}

// splice carries what has arrived and no more: a pipe is held only while
// bytes move, and they are counted as soon as they have.
func (p *pump) splice() (int, error) {
	if err := p.raw.Read(p.arrived); err != nil {
		return 0, err
	}
	switch {
	case p.waitErr != nil:
		return 0, p.waitErr
	case p.waiting == 0:
		return 0, io.EOF
	case p.waiting < spliceMin:
		p.full = 0
		return p.copy()
	}
	p.stream.R, p.stream.N = p.src, int64(p.waiting)
	n, err := p.dst.ReadFrom(&p.stream)
	if err != nil {
		// The bytes were there, so it was not reading that failed.
		return int(n), errWrite
	}
	return int(n), nil
}

// nowhere is never written to: tcp(7) discards with MSG_TRUNC, and with
// MSG_PEEK does not even do that, so that the call counts what has arrived.
var nowhere [spliceMax]byte

func (p *pump) peek(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&nowhere)),
			spliceMax, unix.MSG_PEEK|unix.MSG_TRUNC, 0, 0)
		switch errno {
		case 0:
			p.waiting, p.waitErr = int(n), nil
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			p.waitErr = errno
			return true
		}
	}
}
