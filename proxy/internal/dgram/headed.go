package dgram

import (
	"iter"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// A headedDatagram is a datagram with a PROXY header before it.
type headedDatagram struct {
	header  unix.Msghdr
	vectors [2]unix.Iovec
	head    [proxyheader.MaxWritten]byte
}

// setParties writes the header of the datagrams that follow.
func (l *headedDatagram) setParties(who virtual.Parties) {
	head := who.Header(l.head[:0], 2, true)
	l.vectors[0].Base = unsafe.SliceData(head)
	l.vectors[0].SetLen(len(head))
	l.header = unix.Msghdr{Iov: &l.vectors[0]}
	l.header.SetIovlen(len(l.vectors))
}

// sendWithHeaders is send with a header before each datagram. It sends the datagrams
// of runs one by one: those that the kernel cuts up would have no header.
func (q *requests) sendWithHeaders(p *port, f *flow, i int8) (stopped int, e unix.Errno) {
	b := q.h.replies.in
	q.headed.setParties(q.h.partiesAt(p, &f.origin))
	for ; i != engine.None && e == 0; i = b.next[i] {
		_, segment := b.control(int(i))
		var passed int
		passed, e = q.sendRunWithHeaders(f, b.bytes(int(i)), segment)
		if stopped = int(i); e != 0 {
			b.skip(stopped, passed)
		}
	}
	return stopped, e
}

// sendRunWithHeaders sends the datagrams of a run, or the only one. It returns the
// number of bytes passed on before an error.
func (q *requests) sendRunWithHeaders(f *flow, run []byte, segment int) (passed int, e unix.Errno) {
	if segment == 0 {
		segment = len(run)
	}
	for {
		datagram := run[passed:min(passed+segment, len(run))]
		if e = q.sendWithHeader(f, datagram); e != 0 {
			return passed, e
		}
		if passed += len(datagram); passed == len(run) {
			return passed, 0
		}
	}
}

// sendWithHeader sends one datagram behind the header that has been written.
func (q *requests) sendWithHeader(f *flow, b []byte) unix.Errno {
	l := &q.headed
	l.vectors[1].Base = unsafe.SliceData(b)
	l.vectors[1].SetLen(len(b))
	for again := true; ; {
		e := sendmsg(f.fd, &l.header)
		if failed, over := f.sent(e, len(b), &again); over {
			return failed
		}
	}
}

// sendSingle sends one datagram by itself, with a header if the real server
// wants one.
func (q *requests) sendSingle(p *port, f *flow, b []byte) unix.Errno {
	if p.service.Settings().ProxyProtocol == 0 {
		return q.sendAlone(f, b)
	}
	q.headed.setParties(q.h.partiesAt(p, &f.origin))
	return q.sendWithHeader(f, b)
}

// unwrap removes the headers from the datagrams of a trusted proxy and passes the
// datagrams on as those of the clients that the headers name. Replies go to the
// proxy, which knows its clients by the port that it has sent from.
func (q *requests) unwrap(p *port, run []byte, segment int) {
	for datagram := range each(run, segment) {
		q.unwrapOne(p, datagram)
	}
}

// each yields the datagrams of a run, each of segment bytes but the last, which may
// have fewer. If segment is 0 the run is one datagram, perhaps an empty one.
func each(run []byte, segment int) iter.Seq[[]byte] {
	if segment == 0 {
		segment = len(run)
	}
	return func(yield func([]byte) bool) {
		for {
			datagram := run[:min(segment, len(run))]
			run = run[len(datagram):]
			if !yield(datagram) || len(run) == 0 {
				return
			}
		}
	}
}

func (q *requests) unwrapOne(p *port, datagram []byte) {
	header, n, err := proxyheader.ParseDatagram(datagram)
	if err != nil {
		p.service.Books.MissingHeader()
		q.h.fwd.MissingHeader(&p.service.Service, q.h.sender(&q.origin), err)
		return
	}
	if header.Named() {
		q.origin.via = q.h.flows.named.add(virtual.Parties{Client: header.Source, Dest: header.Dest})
	}
	q.deliver(p, datagram[n:])
	q.h.flows.named.release(q.origin.via)
	q.origin.via = 0
}
