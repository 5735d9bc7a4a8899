package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// keepProbes is how many keepalives go unanswered until the other side is
	// taken for gone.
	keepProbes = 4
	// maxKeep is the most that the kernel takes, in seconds.
	maxKeep = 32767
)

// A keepalive says how the kernel finds out that the other side of a connection is
// gone, in the units of its socket options.
type keepalive struct {
	idle, every, probes int32  // of keepalives, in seconds
	userTimeout         int32  // milliseconds without acknowledgement; 0: the kernel's choice
	soonest             uint32 // ticks before which keepalives are not worth the calls
}

// newKeepalive has the first keepalive come after keep of silence, the others a
// quarter of that apart; 0 is a minute.
func newKeepalive(keep, unheard time.Duration) keepalive {
	v := keepalive{idle: 60, every: 15, probes: keepProbes, soonest: engine.LookEvery}
	if keep > 0 {
		v.idle = int32(min((keep+time.Second-1)/time.Second, maxKeep))
		v.every = max(v.idle/keepProbes, 1)
		v.soonest = min(engine.Ticks(keep), engine.LookEvery)
	}
	v.userTimeout = int32(min(unheard/time.Millisecond, 1<<31-1))
	return v
}

// enable sends keepalives over a socket. When that is asked for late the kernel
// counts the silence that there has been.
func (v *keepalive) enable(fd int32) {
	engine.SetOption(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, &engine.On)
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_KEEPIDLE, &v.idle)
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_KEEPINTVL, &v.every)
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_KEEPCNT, &v.probes)
}

// setUserTimeout limits for how long what is sent over a socket may go unacknowledged.
func (v *keepalive) setUserTimeout(fd int32) {
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_USER_TIMEOUT, &v.userTimeout)
}

// setOn has the sockets of clients inherit it all from their listener.
func (v *keepalive) setOn(fd int32) {
	v.enable(fd)
	v.setUserTimeout(fd)
}

func (a *acceptor) tune(fd int32) {
	for _, l := range a.listeners {
		if l != nil && l.fd == fd { // it may be closed by now
			l.service.keepalive.Load().setOn(fd)
		}
	}
}
