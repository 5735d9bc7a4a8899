// Package loop drives sessions, thousands at once, from one event loop: with
// sockets of its own, and without a goroutine, a timer or an allocation for a
// conversation that goes well.
package loop

import (
	"context"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/internal/wheel"
)

// Tick is how coarse time is: a conversation is told of its deadline up to one
// tick late and never early.
const Tick = 10 * time.Millisecond

const (
	// maxPiece is how much is received at once, in bytes: all of a datagram.
	maxPiece = 64 << 10
	// maxPieces is how many pieces are received before others are looked after.
	maxPieces = 8
)

// Options are what a Loop is told about failures.
type Options struct {
	// Failure makes an error of the system's and what was going on: "while
	// connecting".
	Failure func(err error, when string) error
	// Panicked is told of a panic in a session, and returns the error of its
	// conversation.
	Panicked func(value any, stack []byte) error
}

// A Loop drives sessions. Its methods, and those of its Talks, are called in
// the functions that it calls, or while it does not run; Run and Wake from
// anywhere.
type Loop struct {
	o     Options
	poll  *poller
	base  time.Time
	wheel *wheel.Wheel // of the deadlines of talks
	talks []*Talk
	free  []int32
	begun []*Talk // connect since the last look at them
	ready []*Talk // have more to receive
	again []*Talk // likewise, from now on
	buf   []byte
	out   []byte   // a PROXY header and what comes behind it
	to    sockaddr // of the connection that begins now
	local sockaddr
	opt   option

	mu     sync.Mutex
	posted []func()
	closed bool
	wg     sync.WaitGroup // of what takes its time
	ctx    context.Context
	cancel context.CancelFunc
}

// New returns a Loop that does nothing before Run.
func New(o Options) (*Loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &Loop{o: o, poll: p, base: time.Now(), wheel: wheel.New(0), buf: make([]byte, maxPiece)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// Run drives conversations until between returns false. It calls between at the
// beginning, after the time that between returned last, and between events. Less
// than 0 is no limit. In the end all that is open is closed, and what takes its
// time has ended; no conversation reports a verdict then.
func (l *Loop) Run(between func() (time.Duration, bool)) {
	defer l.close()
	for {
		limit, ok := between()
		if !ok {
			return
		}
		if len(l.begun) > 0 {
			l.lookAtBegun()
			continue // there may be verdicts
		}
		if next, ok := l.nextDeadline(); ok && (limit < 0 || next < limit) {
			limit = next
		}
		if len(l.again) > 0 {
			limit = 0
		}
		l.iterate(limit)
	}
}

// lookAtBegun goes on with those that are connected by now, as most are in a network
// without far ends, and has the others wait for it. A connection that ends before it
// waits is not registered at all.
func (l *Loop) lookAtBegun() {
	for i := 0; i < len(l.begun); i++ {
		t := l.begun[i]
		l.guard(t, t.look)
	}
	clear(l.begun)
	l.begun = l.begun[:0]
}

// iterate waits and handles what has happened.
func (l *Loop) iterate(limit time.Duration) {
	for _, e := range l.poll.wait(limit) {
		if e.Fd == wokenUp {
			l.poll.awake()
			l.runPosted()
			continue
		}
		if t := l.talks[e.Fd]; t != nil && t.generation == e.Pad {
			l.guard(t, func() { t.event(e.Events) })
		}
	}
	l.ready, l.again = l.again, l.ready[:0]
	for _, t := range l.ready {
		l.guard(t, t.receiveMore)
	}
	l.wheel.Advance(l.tick(), l.expire)
}

// guard has a panic end the conversation of t alone.
func (l *Loop) guard(t *Talk, f func()) {
	defer func() {
		if v := recover(); v != nil {
			err := l.o.Panicked(v, debug.Stack())
			session.GiveBack(t.Session)
			t.finish(err)
		}
	}()
	f()
}

// protect has a panic in f end f alone.
func (l *Loop) protect(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = l.o.Panicked(v, debug.Stack())
		}
	}()
	return f(ctx)
}

// sockaddr returns an address as the kernel knows it, until the next call.
func (l *Loop) sockaddr(a netip.AddrPort) *sockaddr {
	l.to.set(a)
	return &l.to
}

func (l *Loop) tick() uint32 { return uint32(time.Since(l.base) / Tick) }

// nextDeadline returns in how much time a deadline may have come.
func (l *Loop) nextDeadline() (time.Duration, bool) {
	n, ok := l.wheel.Next()
	if !ok {
		return 0, false
	}
	since := time.Since(l.base)
	return max(0, Tick*time.Duration(uint32(since/Tick)+uint32(n))-since), true
}

func (l *Loop) expire(i int32) {
	t := l.talks[i]
	if t.deadline > time.Since(l.base) {
		t.setTimer() // the wheel does not see that far ahead
		return
	}
	l.guard(t, t.timeout)
}

// Wake has Run call between soon. It may be called from any goroutine, also when Run
// has returned.
func (l *Loop) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.poll.wake()
	}
}

// post has f called by Run.
func (l *Loop) post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	l.Wake()
}

func (l *Loop) runPosted() {
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range posted {
		f()
	}
}

func (l *Loop) close() {
	l.cancel()
	for _, t := range l.talks {
		if t != nil {
			t.Remove()
		}
	}
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.poll.close()
}
