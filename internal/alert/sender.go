package alert

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// settings are what tests change.
type settings struct {
	queue    int             // mails that may wait
	delivery time.Duration   // for all attempts, with their pauses
	attempt  time.Duration   // for one attempt
	pauses   []time.Duration // before each further attempt
	programs []string
	me       identity
	dial     dialer
}

// tlsPatience is how long a relay that offers TLS has to agree about it; the
// attempt goes on without.
const tlsPatience = 5 * time.Second

func normal() settings {
	return settings{
		queue:    256,
		delivery: 29 * time.Second, // and one for a mail program to end that was killed
		attempt:  15 * time.Second,
		pauses:   []time.Duration{2 * time.Second, 10 * time.Second},
		programs: programs,
		me:       whoami(),
		dial:     new(net.Dialer).DialContext,
	}
}

// A Sender delivers mails, one after the other. Its methods may be called from
// many goroutines at once.
type Sender struct {
	log  *slog.Logger
	set  settings
	ctx  context.Context // ends deliveries
	stop context.CancelFunc
	last chan struct{} // closed when nothing is tried twice any more
	done chan struct{} // closed when the worker is
	// unsent are the mails that were given up since.
	unsent atomic.Int64

	mu      sync.Mutex
	closed  bool
	dropped int // since the queue was full for the first time
	queue   chan Mail
}

// New returns a Sender that says in log what it sends and what it cannot send.
// The caller closes it.
func New(log *slog.Logger) *Sender { return newSender(log, normal()) }

func newSender(log *slog.Logger, set settings) *Sender {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sender{
		log: log, set: set, ctx: ctx, stop: stop,
		last: make(chan struct{}), done: make(chan struct{}), queue: make(chan Mail, set.queue),
	}
	go s.work() // until Close
	return s
}

// Send queues m and returns at once. A mail without recipients is nothing to
// send. When the queue is full the mail is dropped, which the log says once
// for each time the queue fills up.
func (s *Sender) Send(m Mail) {
	if len(m.To) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.log.Warn("email alert dropped, stopping", "subject", m.title())
		return
	}
	select {
	case s.queue <- m:
		s.recovered()
	default:
		s.overflow(m)
	}
}

func (s *Sender) overflow(m Mail) {
	if s.dropped++; s.dropped == 1 {
		s.log.Error("email alerts dropped, too many are waiting", "subject", m.title(), "waiting", len(s.queue))
	}
}

func (s *Sender) recovered() {
	if s.dropped > 0 {
		s.log.Warn("email alerts are taken again", "dropped", s.dropped)
		s.dropped = 0
	}
}

// Close gives what is queued one more attempt each until ctx is done, gives up
// on the rest, and says in log how many mails were not sent. Closing again does
// nothing.
func (s *Sender) Close(ctx context.Context) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	close(s.queue)
	close(s.last)
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
	}
	s.stop()
	select {
	case <-s.done:
	case <-time.After(time.Second): // a file system that hangs
	}
	if n := len(s.queue) + int(s.unsent.Load()); n > 0 {
		s.log.Warn("email alerts were not sent, shunt stops", "count", n)
	}
}

func (s *Sender) work() {
	defer close(s.done)
	for s.ctx.Err() == nil {
		m, ok := <-s.queue
		if !ok {
			return
		}
		s.deliver(m)
	}
}

// deliver sends m, in several attempts if need be.
func (s *Sender) deliver(m Mail) {
	l, bad, err := compose(m, s.set.me)
	if len(bad) > 0 {
		s.log.Warn("email alert names what is no address", "subject", m.title(), "bad", bad)
	}
	if err != nil {
		s.failed(m, err)
		return
	}
	s.log.Info("emailalert", "subject", l.title, "to", l.to)
	if err := s.insist(l); err != nil {
		s.failed(m, err)
	}
}

// failed logs in words that log scrapers know.
func (s *Sender) failed(m Mail, err error) {
	if over(s.last) {
		s.unsent.Add(1)
	}
	if m.Relay == "" {
		s.log.Error("failed to send email message", "subject", m.title(), "to", m.To, "err", err)
		return
	}
	s.log.Error("failed to send SMTP email message", "subject", m.title(), "to", m.To, "relay", m.Relay, "err", err)
}

// insist makes attempts until nobody is left who could still get l, and
// returns why somebody did not get it.
func (s *Sender) insist(l letter) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.set.delivery)
	defer cancel()
	l.dial = s.set.dial
	var hard error
	for i := 0; ; i++ {
		last := over(s.last)
		t := s.try(ctx, l)
		hard = both(hard, t.hard)
		if len(t.again) == 0 || last || i == len(s.set.pauses) || !pauseFor(ctx, s.last, s.set.pauses[i]) {
			return both(hard, t.soft)
		}
		s.log.Debug("email alert will be tried again", "subject", l.title, "to", t.again, "err", t.soft)
		l.to = t.again
	}
}

// try makes one attempt.
func (s *Sender) try(ctx context.Context, l letter) (t trouble) {
	ctx, cancel := context.WithTimeout(ctx, s.set.attempt)
	defer cancel()
	if l.relay != "" {
		return l.viaRelay(ctx, s.set.me.host)
	}
	err := l.viaProgram(ctx, s.set.programs)
	if errors.Is(err, errNoProgram) {
		return trouble{hard: err}
	}
	if err != nil {
		t.add(l.to, err)
	}
	return t
}
