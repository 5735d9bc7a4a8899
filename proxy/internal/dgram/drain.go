package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// drainReplies passes on the replies of a real server from before it stopped
// listening. The kernel reports the error before these replies. The buffers of the
// batch may hold requests.
func (rp *replies) drainReplies(p *port, f *flow) {
	rp.flush()
	for range replyShare {
		n, segment, e := rp.out.receiveOne(f.fd, &rp.worker.Buffer)
		switch {
		case e == unix.EAGAIN:
			return
		case e != 0:
			continue // another error of this kind
		}
		if f.class == unanswered {
			rp.h.flows.raise(p, f, answered)
		}
		rp.sendReplies(p, f, rp.worker.Buffer[:n], segment)
	}
}

// sendReplies sends the datagrams of a run to the client of a flow one by one.
func (rp *replies) sendReplies(p *port, f *flow, run []byte, segment int) {
	if segment == 0 {
		segment = len(run)
	}
	for {
		datagram := run[:min(segment, len(run))]
		if rp.out.sendTo(p, &f.origin, datagram) == 0 {
			f.count(server, 1, len(datagram))
		}
		if run = run[len(datagram):]; len(run) == 0 {
			return
		}
	}
}

// receiveOne receives one datagram or run from a real server.
func (p *sendBatch) receiveOne(fd int32, b *[engine.BufferSize]byte) (n, segment int, e unix.Errno) {
	p.piece.Base = &b[0]
	p.piece.SetLen(engine.BufferSize)
	h := &p.one.header
	*h = unix.Msghdr{Iov: &p.piece, Control: (*byte)(unsafe.Pointer(&p.controls[0]))}
	h.SetIovlen(1)
	h.SetControllen(controlSize)
	r, _, e := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), unix.MSG_DONTWAIT)
	if e != 0 {
		return 0, 0, e
	}
	if h.Controllen > 0 {
		_, segment = p.controls[0].parse(int(h.Controllen))
	}
	return int(r), segment, 0
}
