package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// answerSorry sends the sorry server's answer to each datagram of a run, if there
// is one.
func (q *requests) answerSorry(p *port, claim table.Claim, run []byte, segment int) {
	defer claim.Done()
	for datagram := range each(run, segment) {
		q.answerSorryOnce(p, claim, datagram)
	}
}

func (q *requests) answerSorryOnce(p *port, claim table.Claim, datagram []byte) {
	s := p.service
	if s.Answer == nil {
		q.h.fwd.Refused(&s.Service, 0, dataplane.Unusable, nil)
		return
	}
	claim.Established()
	claim.In(1, uint64(len(datagram)))
	if a := s.Answer(datagram); a != nil && q.h.replies.out.sendTo(p, &q.origin, a) == 0 {
		claim.Out(1, uint64(len(a)))
	}
}

// sendTo sends b to a client.
func (p *sendBatch) sendTo(from *port, o *origin, b []byte) unix.Errno {
	p.piece.Base = unsafe.SliceData(b)
	p.piece.SetLen(len(b))
	h := &p.one.header
	*h = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&o.client)), Namelen: o.client.size(), Iov: &p.piece}
	h.SetIovlen(1)
	if from.anywhere && o.local != [16]byte{} {
		h.Control = (*byte)(unsafe.Pointer(&p.controls[0]))
		h.SetControllen(p.controls[0].from(from.family, &o.local))
	}
	return sendmsg(from.fd, h)
}
