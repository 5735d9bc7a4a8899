package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

const (
	// keepProbes is the number of unanswered keepalives after which a peer counts
	// as gone.
	keepProbes = 4
	// maxKeep is the greatest value that the kernel accepts, in seconds.
	maxKeep = 32767
)

// A keepalive has the settings by which the kernel notices that a peer is gone, in
// the units of its socket options.
type keepalive struct {
	idle, every, probes int32  // of keepalives, in seconds
	userTimeout         int32  // milliseconds without acknowledgement; 0: the kernel's choice
	soonest             uint32 // ticks before which keepalives are not worth the calls
}

// newKeepalive returns settings that send the first keepalive after keep of silence
// and the others a quarter of that apart; 0 means a minute.
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

// enable turns keepalives of a socket on. The kernel counts the silence from before
// the call, too.
func (v *keepalive) enable(fd int32) {
	engine.SetOption(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, &engine.On)
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_KEEPIDLE, &v.idle)
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_KEEPINTVL, &v.every)
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_KEEPCNT, &v.probes)
}

// setUserTimeout limits how long sent bytes may go unacknowledged.
func (v *keepalive) setUserTimeout(fd int32) {
	engine.SetOption(fd, unix.SOL_TCP, unix.TCP_USER_TIMEOUT, &v.userTimeout)
}

// setOn sets all of it on a listener, from which the sockets of clients inherit it.
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
