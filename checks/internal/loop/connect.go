package loop

import (
	"context"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/session"
)

// connect begins to connect.
func (t *Talk) connect() {
	kind := unix.SOCK_STREAM
	if t.UDP {
		kind = unix.SOCK_DGRAM
	}
	to := t.l.sockaddr(t.to())
	fd, e := socket(to.raw.Family, kind)
	if e != 0 {
		t.unconnected(e)
		return
	}
	t.fd, t.state, t.headed, t.ended = fd, connecting, false, false
	if !t.UDP && (t.Asks || t.Reset) {
		delayACK(fd)
	}
	if e := connect(fd, to); e != 0 && e != unix.EINPROGRESS {
		t.unconnected(e)
		return
	}
	t.begun = t.generation
	t.l.begun = append(t.l.begun, t)
}

// look goes on if the connection that was begun is made, and waits for it otherwise.
func (t *Talk) look() {
	if t.state != connecting || t.begun != t.generation {
		return // it has ended, or has been begun once more
	}
	if !t.UDP {
		switch e := connect(t.fd, t.l.sockaddr(t.to())); e { // the second time, which only asks
		case unix.EALREADY, unix.EINPROGRESS:
			t.register()
			return
		case 0, unix.EISCONN:
		default:
			t.end(e)
			return
		}
	}
	generation := t.generation
	t.connected(unix.EPOLLOUT)
	if t.state == talking && t.generation == generation {
		t.register()
	}
}

// register has the loop told of what comes, and of what has come already.
func (t *Talk) register() {
	if e := t.l.poll.add(t.fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|epollET, t.index, t.generation); e != 0 {
		t.end(e)
	}
}

// epollET is unix.EPOLLET, which is negative there.
const epollET = 1 << 31

// unconnected ends a conversation that has no connection.
func (t *Talk) unconnected(e unix.Errno) { t.end(e) }

func (t *Talk) connected(events uint32) {
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		if e := t.l.opt.errorOf(t.fd); e != 0 {
			t.end(e)
			return
		}
	}
	if events&unix.EPOLLOUT == 0 {
		return
	}
	if t.toItself() {
		t.end(unix.ECONNREFUSED)
		return
	}
	t.state = talking
	if t.rare != nil && t.rare.step != nil {
		first := *t.rare.step
		t.rare.step = nil
		t.follow(first)
		return
	}
	t.follow(t.Session.Begin())
}

// firstEphemeral is the first port that a kernel takes by itself, unless it was
// told otherwise.
const firstEphemeral = 32768

// toItself reports whether the socket is connected to itself: where nobody
// listens the kernel may have given it the very port that it asks for.
func (t *Talk) toItself() bool {
	to := t.to()
	if t.UDP || to.Port() < firstEphemeral || !to.Addr().IsLoopback() {
		return false
	}
	return nameOf(t.fd, &t.l.local) == 0 && t.l.local.get() == netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
}

// hop goes on over another connection.
func (t *Talk) hop(step session.Step) {
	to := step.Next
	t.close()
	t.hopped = true
	if to.TLS != nil {
		t.goAside(func(ctx context.Context) error { return t.owner.GoOn(ctx, step) })
		return
	}
	step.Next = nil
	t.rare = &rare{to: to.Addr, step: &step}
	t.connect()
}

// close closes the connection, if there is one. Events of it mean nothing then.
func (t *Talk) close() {
	if t.fd >= 0 {
		if t.Reset && !t.UDP && t.state > connecting {
			closeByReset(t.fd)
		}
		closeFD(t.fd)
	}
	t.fd, t.state, t.more = -1, idle, false
	if t.generation++; t.rare != nil {
		t.rare = nil
	}
}
