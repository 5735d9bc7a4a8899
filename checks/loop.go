package checks

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/checks/internal/blocking"
	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/httpget"
	"github.com/shunt-lb/shunt/checks/internal/loop"
	"github.com/shunt-lb/shunt/checks/internal/session"
	"github.com/shunt-lb/shunt/internal/proxyheader"
)

// LoopTick is how coarse a Loop is about time: a check of its own ends up to so
// much after its timeout.
const LoopTick = loop.Tick

// A Loop makes checks, thousands at once, in one goroutine: those that need
// nothing but a connection and a few bytes. It is for a caller that makes them
// again and again; the checks have the same results as those of [For].
type Loop struct{ loop *loop.Loop }

// NewLoop returns a Loop that does nothing before Run. panicked is told of a check
// that panics, which has failed by that.
func NewLoop(panicked func(value any, stack []byte)) (*Loop, error) {
	l, err := loop.New(loop.Options{
		Failure: func(err error, when string) error { return &failure.Cause{Err: err, When: when} },
		Panicked: func(value any, stack []byte) error {
			panicked(value, stack)
			return fmt.Errorf("internal error: %v", value)
		},
	})
	return &Loop{l}, err
}

// Run makes checks until between returns false. It calls between at the beginning,
// when the time is over that between returned last (less than 0 is no limit), after
// Wake, and after checks have ended. All checks under way have ended when it
// returns, without a result.
func (l *Loop) Run(between func() (time.Duration, bool)) { l.loop.Run(between) }

// Wake has Run call its function soon. It may be called from any goroutine.
func (l *Loop) Wake() { l.loop.Wake() }

// A Subject has a check made again and again. A Loop calls its methods in the
// functions that it calls, but for Target, which it calls from anywhere.
type Subject interface {
	// Addr returns the address of Target, which may not change.
	Addr() netip.AddrPort
	// Target returns what is checked: always the same, without Note and Trace.
	Target() Target
	// Done is told each result.
	Done(err error)
}

// A Repeated is a check of one real server that is made again and again by a Loop.
// Its methods are to be called in the functions that the Loop calls.
type Repeated struct {
	talk    loop.Talk
	check   string
	subject Subject
	timeout time.Duration // of the check under way
}

// Add returns the check of a name as For knows it, for the Loop to make: false if
// it cannot, and a goroutine has to. It is to be called in the function that Run
// calls, or before Run.
func (l *Loop) Add(name string, subject Subject) (*Repeated, bool) {
	prepare := onLoop[name]
	if prepare == nil || subject.Addr().Port() == 0 {
		return nil, false
	}
	target := subject.Target()
	settings, ok := prepare(&target)
	if !ok {
		return nil, false
	}
	settings.Reset, settings.Header = target.Reset, target.ProxyProtocol > 0
	r := &Repeated{check: name, subject: subject}
	l.loop.Add(&r.talk, settings, owner{r})
	return r, true
}

// Start makes the check once, within timeout. Done may be called before it
// returns. The check before has ended.
func (r *Repeated) Start(timeout time.Duration) {
	r.timeout = timeout
	r.talk.Start(timeout)
}

// Remove ends the check without a result. Nothing may be done with r after it.
func (r *Repeated) Remove() { r.talk.Remove() }

// An owner is a Repeated as its Talk knows it.
type owner struct{ *Repeated }

// Addr implements loop.Owner.
func (o owner) Addr() netip.AddrPort { return o.subject.Addr() }

// AppendHeader implements loop.Owner.
func (o owner) AppendHeader(b []byte, local netip.AddrPort) []byte {
	if o.subject.Target().ProxyProtocol == 1 {
		return proxyheader.Append1(b, local, o.subject.Addr())
	}
	return proxyheader.AppendLocal(b)
}

// GoOn implements loop.Owner.
func (o owner) GoOn(ctx context.Context, step session.Step) error {
	target := o.subject.Target()
	return blocking.Drive(ctx, target.server(), nil, o.talk.Session, step)
}

// Done implements loop.Owner.
func (o owner) Done(err error) {
	if err != nil {
		now := time.Now() // the words say how much time there was, not when it began
		err = inOneError(deadlined{context.Background(), now.Add(o.timeout)}, now, o.check, o.subject.Addr().String(), err)
	}
	o.subject.Done(err)
}

// A deadlined is a context that says until when there was time.
type deadlined struct {
	context.Context
	deadline time.Time
}

// Deadline implements context.Context.
func (d deadlined) Deadline() (time.Time, bool) { return d.deadline, true }

// onLoop are the checks that a Loop can make: what it needs to know about one of
// target, and whether this one can be made.
var onLoop = map[string]func(target *Target) (loop.Settings, bool){
	"connect": func(t *Target) (loop.Settings, bool) {
		return loop.Settings{Session: connected{}, Asks: true, Only: true}, !t.UDP // the FIN is what it sends
	},
	"http":       gets("http"),
	"http_proxy": gets("http_proxy"),
	"imap":       greets(newIMAP),
	"nntp":       greets(newNNTP),
	"pop":        greets(newPOP),
	"smtp":       greets(newSMTP),
	"submission": greets(newSMTP),
	"redis":      asks(newRedis),
	"simpletcp": func(t *Target) (loop.Settings, bool) {
		// It asks, and be it for nothing.
		return loop.Settings{Session: newLineSession(t), UDP: t.UDP, Asks: true}, true
	},
}

// greets is for a check over TCP in which the real server speaks first.
func greets(begin func(*Target) session.Session) func(*Target) (loop.Settings, bool) {
	return func(t *Target) (loop.Settings, bool) { return loop.Settings{Session: begin(t)}, true }
}

// asks is for a check over TCP in which the real server is asked first.
func asks(begin func(*Target) session.Session) func(*Target) (loop.Settings, bool) {
	return func(t *Target) (loop.Settings, bool) {
		return loop.Settings{Session: begin(t), Asks: true}, true
	}
}

// gets is for the check of a page without TLS.
func gets(name string) func(*Target) (loop.Settings, bool) {
	return func(t *Target) (loop.Settings, bool) {
		c, err := newCheck(name, t)
		if err != nil || t.HTTPVersion == 2 {
			return loop.Settings{}, false
		}
		first := c.First()
		return loop.Settings{Session: httpget.NewSession(c), Asks: true}, first.TLS == nil && first.Addr == t.Addr
	}
}
