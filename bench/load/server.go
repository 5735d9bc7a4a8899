package load

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// acceptPause is how long real servers wait for descriptors when there are
// none left, in nanoseconds.
const acceptPause = int64(10e6)

// budget is how many calls one connection may make before others have a turn.
const budget = 16

// servers are the real servers of a job: one listener each, and the
// connections of all of them, which are indexed by descriptor.
type servers struct {
	l         *loop
	self      int32 // handler number of the connections
	listeners []int32
	conns     []serving
	done      []Served
	faults    []faults
	full      []int32 // listeners to try again when resume comes
	resume    int64
	buf       []byte
}

// serving is one connection of a real server.
type serving struct {
	request        // the current one, once its header is there
	server   int32 // index of the real server
	got      int   // bytes of the current request
	sent     int   // bytes of its answer
	header   [MinRequest]byte
	open     bool
	flaw     byte // flags of the answer
	answered bool // all of the request is there
}

func newServers(l *loop) *servers {
	s := &servers{l: l, buf: make([]byte, chunk), conns: make([]serving, 1024)}
	s.self = l.register(s)
	return s
}

// add makes a real server of a listening socket.
func (s *servers) add(number int, fd int32, accepting int32) unix.Errno {
	s.listeners = append(s.listeners, fd)
	s.done = append(s.done, Served{Number: number})
	s.faults = append(s.faults, faults{})
	return s.l.watch(fd, accepting, int32(len(s.listeners)-1))
}

// tick tries again to accept where descriptors had run out.
func (s *servers) tick(now int64) int64 {
	if len(s.full) == 0 {
		return never
	}
	if now < s.resume {
		return s.resume
	}
	full := s.full
	s.full = nil
	for _, server := range full {
		s.accept(server)
	}
	if len(s.full) > 0 {
		return s.resume
	}
	return never
}

func (s *servers) accept(server int32) {
	for range budget * budget {
		fd, errno := accept(s.listeners[server])
		switch errno {
		case 0:
			s.addConnection(server, fd)
		case unix.EAGAIN:
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			s.faults[server][because(accepting, errno)]++
			s.full, s.resume = append(s.full, server), s.l.now()+acceptPause
			return
		default: // the connection's own error, accept(2): try the next one
			s.faults[server][because(accepting, errno)]++
		}
	}
	s.full, s.resume = append(s.full, server), 0
}

func (s *servers) addConnection(server, fd int32) {
	for int(fd) >= len(s.conns) {
		s.conns = append(s.conns, make([]serving, len(s.conns))...)
	}
	s.conns[fd] = serving{server: server, open: true}
	s.done[server].Accepted++
	if errno := s.l.watch(fd, s.self, fd); errno != 0 {
		s.end(fd, because(accepting, errno))
	}
}

func (s *servers) ready(fd int32, events uint32) {
	c := &s.conns[fd]
	if !c.open {
		return
	}
	if c.answered && !s.reply(fd, c) {
		return
	}
	if events != unix.EPOLLOUT {
		s.read(fd, c, events)
	}
}

// read takes what has come until there is no more or the answer is stuck.
func (s *servers) read(fd int32, c *serving, events uint32) {
	for range budget {
		b, n := s.buf, len(s.buf)
		flags := 0
		if c.got >= MinRequest && c.flags&discard != 0 {
			b, n, flags = nil, int(c.size)-c.got, unix.MSG_TRUNC
		}
		n, errno := recv(fd, b, n, flags)
		switch {
		case errno == unix.EAGAIN:
			return
		case errno != 0:
			s.end(fd, because(receiving, errno))
			return
		case n == 0:
			s.end(fd, eof(c.got))
			return
		}
		s.done[c.server].Received += uint64(n)
		if f := s.parse(c, n, b); f != noFault {
			s.end(fd, f)
			return
		}
		if c.answered && !s.reply(fd, c) {
			return
		}
		// A short read is all there was; epoll tells of what comes later.
		if flags == 0 && n < len(s.buf) && events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
			return
		}
	}
	s.l.again(s.self, fd, events|unix.EPOLLIN)
}

// eof returns the fault of a client that closes after got bytes of a request.
func eof(got int) fault {
	if got == 0 {
		return noFault
	}
	return closedWithin
}

// parse adds n bytes of a request, which are in b unless they were discarded.
func (s *servers) parse(c *serving, n int, b []byte) fault {
	if b == nil {
		c.got += n
		c.answered = c.got == int(c.size)
		return noFault
	}
	b = b[:n]
	if c.got < MinRequest {
		h := copy(c.header[c.got:], b)
		c.got, b = c.got+h, b[h:]
		if c.got < MinRequest {
			return noFault
		}
		ok := false
		if c.request, ok = parseRequest(c.header[:]); !ok {
			return notARequest
		}
	}
	if c.got+len(b) > int(c.size) {
		return tooMuch
	}
	if c.flags&discard == 0 && !matches(b, c.sequence, c.got) {
		c.flaw = damaged
	}
	c.got += len(b)
	c.answered = c.got == int(c.size)
	return noFault
}

// reply sends what is left of the answer, and reports whether all of it went.
func (s *servers) reply(fd int32, c *serving) bool {
	appendAnswer(s.buf[:0], uint16(s.done[c.server].Number), c.flaw, c.sequence)
	for range budget {
		n, errno := send(fd, s.next(fd, c))
		if errno == unix.EAGAIN {
			return false
		}
		if errno != 0 {
			s.end(fd, because(sending, errno))
			return false
		}
		c.sent += n
		s.done[c.server].Sent += uint64(n)
		if c.sent == int(c.answer) {
			s.done[c.server].Requests++
			c.got, c.sent, c.flaw, c.answered = 0, 0, 0, false
			return true
		}
	}
	s.l.again(s.self, fd, unix.EPOLLIN|unix.EPOLLOUT)
	return false
}

// next returns what is to be written next of an answer.
func (s *servers) next(fd int32, c *serving) []byte {
	size := int(c.answer)
	if c.flags&apart != 0 && c.sent < MinAnswer {
		_ = setOption(fd, unix.SOL_TCP, unix.TCP_NODELAY, 0)
		size = MinAnswer
	}
	return piece(s.buf, MinAnswer, c.sequence, c.sent, size)
}

func (s *servers) end(fd int32, f fault) {
	c := &s.conns[fd]
	if f != noFault {
		s.faults[c.server][f]++
	}
	c.open = false
	closeDescriptor(fd)
}

// listening returns the addresses, in order.
func (s *servers) listening() ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	for _, fd := range s.listeners {
		a, err := addrPort(fd)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// served closes everything and returns what was done.
func (s *servers) served() []Served {
	for fd := range s.conns {
		if c := &s.conns[fd]; c.open {
			s.done[c.server].Open++
			s.end(int32(fd), noFault)
		}
	}
	for i, fd := range s.listeners {
		closeDescriptor(fd)
		s.done[i].Failures, _ = s.faults[i].byKind()
	}
	s.listeners = nil
	return s.done
}

// acceptor owns the listeners in the loop.
type acceptor struct{ *servers }

func (a acceptor) ready(server int32, _ uint32) { a.accept(server) }

func (a acceptor) tick(int64) int64 { return never }
