package loop

import (
	"context"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// A state is what a Talk is at.
type state uint8

const (
	idle state = iota
	connecting
	talking
	aside // in a goroutine
)

// An Owner has a Talk converse with a real server. Its methods are called in the
// functions that the Loop calls, but for GoOn.
type Owner interface {
	// Addr returns the address of the real server.
	Addr() netip.AddrPort
	// AppendHeader appends what a connection to Addr begins with, and each
	// datagram, if Settings say so. local is the address at this end.
	AppendHeader(b []byte, local netip.AddrPort) []byte
	// GoOn makes the rest of a conversation from a step on that goes on to a
	// connection with TLS. It is called in a goroutine, ends soon after ctx does
	// and returns the verdict.
	GoOn(ctx context.Context, step session.Step) error
	// Done is told the verdict of each conversation. The next one may begin.
	Done(err error)
}

// Settings say how to converse with one real server.
type Settings struct {
	Session session.Session
	UDP     bool
	// Reset has connections closed by a reset.
	Reset bool
	// Asks: the session sends first, or closes, so that the acknowledgement of
	// the handshake can go with that: a segment, and a time that the real server
	// is woken up, less.
	Asks bool
	// Header: connections begin with that of the Owner.
	Header bool
	// Only: there is nothing but the connection, so that no error has to say that
	// it came while connecting.
	Only bool
}

// A Talk converses with one real server, again and again. There are thousands, each
// of which is looked at once an interval: it is small, and what few conversations
// need is elsewhere.
type Talk struct {
	Settings
	state      state
	headed     bool // the stream has begun
	ended      bool // the real server sends nothing more
	more       bool // in the loop's list of those with more to receive
	hopped     bool // to another connection than the first
	index      int32
	generation int32 // of what events are about
	begun      int32 // the generation that is in the loop's list of those
	fd         int32
	owner      Owner
	l          *Loop
	until      string
	deadline   time.Duration // since the loop's base
	rare       *rare         // of this connection, nil for nothing
}

// A rare is what few connections need.
type rare struct {
	to         netip.AddrPort // of a connection after the first
	step       *session.Step  // the first there
	unsent     []byte
	closeWrite bool               // once unsent is sent
	cancel     context.CancelFunc // of what goes on aside
}

// Add has t, which is new, converse for its owner. It does nothing before Start.
func (l *Loop) Add(t *Talk, s Settings, owner Owner) {
	*t = Talk{Settings: s, owner: owner, l: l, fd: -1}
	if n := len(l.free); n > 0 {
		t.index, l.free = l.free[n-1], l.free[:n-1]
	} else {
		t.index = int32(len(l.talks))
		l.talks = append(l.talks, nil)
	}
	l.talks[t.index] = t
}

// to returns where the connection goes.
func (t *Talk) to() netip.AddrPort {
	if t.rare != nil && t.rare.to.IsValid() {
		return t.rare.to
	}
	return t.owner.Addr()
}

// unsent returns what could not be sent yet.
func (t *Talk) unsent() []byte {
	if t.rare == nil {
		return nil
	}
	return t.rare.unsent
}

// keep keeps what could not be sent yet, behind what is kept already.
func (t *Talk) keep(b []byte) {
	if t.rare == nil {
		t.rare = &rare{}
	}
	t.rare.unsent = append(t.rare.unsent, b...)
}

// Remove ends the conversation without a verdict, if there is one. Nothing may be
// done with t after it.
func (t *Talk) Remove() {
	switch t.state {
	case aside:
		t.rare.cancel()
	case talking, connecting: // it may go on at another connection
		session.GiveBack(t.Session)
	}
	t.l.wheel.Clear(t.index)
	t.close()
	t.l.talks[t.index] = nil
	t.l.free = append(t.l.free, t.index)
}

// Start begins a conversation, which may take so long. None is under way.
func (t *Talk) Start(timeout time.Duration) {
	t.deadline = time.Since(t.l.base) + timeout
	t.hopped, t.until = false, ""
	t.l.guard(t, func() {
		t.setTimer()
		t.connect()
	})
}

func (t *Talk) setTimer() {
	t.l.wheel.Set(t.index, uint32((t.deadline+Tick-1)/Tick))
}

// end ends a conversation before its session is done.
func (t *Talk) end(why error) {
	when := t.until
	if t.state <= connecting {
		when = "while connecting"
		if t.Only {
			when = ""
		}
	}
	t.endBecause(t.l.o.Failure(why, when))
}

func (t *Talk) endBecause(err error) {
	if t.state > connecting || t.hopped {
		err = t.Session.End(err)
	}
	t.finish(err)
}

// event handles what the kernel reports.
func (t *Talk) event(events uint32) {
	if events&unix.EPOLLRDHUP != 0 {
		t.ended = true
	}
	if t.state == connecting {
		t.connected(events)
	} else if events&unix.EPOLLOUT != 0 && len(t.unsent()) > 0 {
		t.flush()
	}
	if t.state == talking && events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		t.receive()
	}
}

// follow does what a step wants.
func (t *Talk) follow(step session.Step) {
	if step.Until != "" {
		t.until = step.Until
	}
	if step.Next != nil {
		t.hop(step)
		return
	}
	if e := t.send(step.Send); e != 0 && t.UDP {
		t.endBecause(t.l.o.Failure(e, "while sending"))
		return
	}
	if step.CloseWrite && !t.UDP {
		if len(t.unsent()) > 0 {
			t.rare.closeWrite = true
		} else {
			shutdown(t.fd)
		}
	}
	switch {
	case step.Done:
		t.finish(step.Err)
	case step.Rest != nil:
		t.rest(step)
	}
}

// send sends b, behind a header where one belongs: in front of a stream, and in
// front of each datagram. Of a stream it keeps what is not taken.
func (t *Talk) send(b []byte) unix.Errno {
	if t.wantsHeader(len(b)) {
		nameOf(t.fd, &t.l.local)
		t.l.out = append(t.owner.AppendHeader(t.l.out[:0], t.l.local.get()), b...)
		b = t.l.out
	}
	t.headed = true
	if len(b) == 0 {
		return 0
	}
	if len(t.unsent()) > 0 {
		t.keep(b)
		return 0
	}
	n, e := send(t.fd, b)
	if !t.UDP && (e == unix.EAGAIN || e == 0 && n < len(b)) {
		t.keep(b[max(0, n):])
		return 0
	}
	return e
}

func (t *Talk) wantsHeader(n int) bool {
	switch {
	case !t.Header || t.hopped && t.to() != t.owner.Addr():
		return false
	case t.UDP:
		return n > 0
	}
	return !t.headed
}

// flush sends what was not taken before.
func (t *Talk) flush() {
	r := t.rare
	n, e := send(t.fd, r.unsent)
	if e == unix.EAGAIN {
		return
	}
	if e != 0 {
		n = len(r.unsent) // nobody wants it; what comes back says why
	}
	r.unsent = append(r.unsent[:0], r.unsent[n:]...)
	if len(r.unsent) == 0 && r.closeWrite {
		r.closeWrite = false
		shutdown(t.fd)
	}
}

// receive feeds the session with what has arrived, but for what is more than
// others could wait for.
func (t *Talk) receive() {
	buf := t.l.buf
	for range maxPieces {
		n, e := receive(t.fd, buf)
		if e == unix.EAGAIN {
			return
		}
		if e != 0 {
			t.end(e)
			return
		}
		eof := n == 0 && !t.UDP
		t.follow(t.Session.Feed(buf[:n], eof))
		switch {
		case t.state != talking:
			return
		case eof:
			t.end(io.EOF)
			return
		case n < len(buf) && !t.ended && !t.UDP:
			return // whatever comes now is a new event
		}
	}
	t.more = true
	t.l.again = append(t.l.again, t)
}

func (t *Talk) receiveMore() {
	if t.more && t.state == talking {
		t.more = false
		t.receive()
	}
}

func (t *Talk) timeout() { t.end(context.DeadlineExceeded) }

// rest leaves the rest to a goroutine.
func (t *Talk) rest(step session.Step) {
	t.l.poll.forget(t.fd)
	if t.Reset && !t.UDP {
		closeByReset(t.fd)
	}
	conn := os.NewFile(uintptr(t.fd), "connection") // the runtime waits for it, as it does not block
	unsent := append([]byte(nil), t.unsent()...)
	t.fd = -1
	t.goAside(func(ctx context.Context) error {
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
		if len(unsent) > 0 {
			_, _ = conn.Write(unsent)
		}
		return step.Rest(ctx, conn)
	})
}

// goAside has f, in a goroutine, find the verdict.
func (t *Talk) goAside(f func(context.Context) error) {
	l := t.l
	l.wheel.Clear(t.index)
	ctx, cancel := context.WithDeadline(l.ctx, l.base.Add(t.deadline))
	t.state, t.rare = aside, &rare{cancel: cancel}
	generation := t.generation
	l.wg.Go(func() {
		defer cancel()
		err := l.protect(ctx, f)
		l.post(func() {
			if t.generation == generation {
				t.finish(err)
			}
		})
	})
}

// finish ends the conversation with its verdict.
func (t *Talk) finish(err error) {
	t.l.wheel.Clear(t.index)
	t.close()
	t.owner.Done(err)
}
