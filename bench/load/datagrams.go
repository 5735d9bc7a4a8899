package load

import "golang.org/x/sys/unix"

// datagramServers are the datagram sockets of the real servers of a job. They share
// the books with the servers.
type datagramServers struct {
	*servers
	sockets []int32
	batch   *batch
	self    int32
}

func newDatagramServers(s *servers) *datagramServers {
	a := &datagramServers{servers: s, batch: newBatch()}
	a.self = s.l.register(a)
	return a
}

// add makes a socket that of the real server that was added last.
func (a *datagramServers) add(fd int32) unix.Errno {
	a.sockets = append(a.sockets, fd)
	return a.l.watch(fd, a.self, int32(len(a.sockets)-1))
}

func (a *datagramServers) tick(int64) int64 { return never }

func (a *datagramServers) ready(server int32, events uint32) {
	for range budget {
		n, errno := a.batch.receive(a.sockets[server])
		if errno != 0 && errno != unix.EAGAIN {
			// An ICMP message about an earlier answer; nothing was received.
			a.faults[server][because(receiving, errno)]++
			continue
		}
		a.answer(server, n)
		if n < batchSize {
			return
		}
	}
	a.l.again(a.self, server, events)
}

// answer answers the first n datagrams of the batch.
func (a *datagramServers) answer(server int32, n int) {
	b, wanted, bytes := a.batch, 0, 0
	for i := range n {
		a.done[server].Received += uint64(b.msgs[i].len)
		if size := a.compose(server, i); size > 0 {
			b.swap(i, wanted)
			wanted, bytes = wanted+1, bytes+size
		}
	}
	sent := b.send(a.sockets[server], wanted, func(i int, errno unix.Errno) {
		a.faults[server][because(sending, errno)]++
		bytes -= int(b.msgs[i].hdr.Iov.Len)
	})
	a.done[server].Datagrams += uint64(sent)
	a.done[server].Sent += uint64(bytes)
}

// compose turns request i into its answer and returns the size of that, 0 if
// it was no request.
func (a *datagramServers) compose(server int32, i int) int {
	data := a.batch.data(i)
	r, ok := parseRequest(data)
	if !ok || int(r.answer) > datagramRoom {
		a.faults[server][notARequest]++
		return 0
	}
	flaw := byte(0)
	if int(r.size) != len(data) || r.flags&discard == 0 && !matches(data[MinRequest:], r.sequence, MinRequest) {
		flaw = damaged
	}
	out := appendAnswer(a.batch.buffer(i), uint16(a.done[server].Number), flaw, r.sequence)
	out = append(out, payload(r.sequence, MinAnswer, int(r.answer)-MinAnswer)...)
	h := &a.batch.msgs[i].hdr
	h.Iov.Len = uint64(len(out))
	a.batch.anyInterface(i)
	return len(out)
}

func (a *datagramServers) close() {
	for _, fd := range a.sockets {
		closeDescriptor(fd)
	}
	a.sockets = nil
}
