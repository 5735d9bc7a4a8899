package director

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	searchPeriod = time.Second // between two looks whether it is time
	// The pause before what the configuration waits for is looked for again
	// doubles with each attempt, from the first to the longest.
	firstPause   = time.Second
	longestPause = time.Minute
)

// A search looks again for names and files that the configuration in force waits
// for. Fields without a lock are owned by the holder of loader.reading.
type search struct {
	pause time.Duration
	due   time.Time
	told  string // the latest logged error

	mu     sync.Mutex
	cancel context.CancelFunc // of an attempt under way
	file   stamp              // of the configuration file that it is for
	others int                // callers that wait for loader.reading
}

// reset starts over for a configuration that has just been read.
func (s *search) reset(now time.Time) {
	s.told = ""
	s.pause = firstPause
	s.due = now.Add(s.pause)
}

// backOff doubles the pause after an attempt in vain.
func (s *search) backOff(now time.Time) {
	s.pause = min(2*s.pause, longestPause)
	s.due = now.Add(s.pause)
}

// logOnce logs, once, why the result of an attempt cannot be put in force.
func (s *search) logOnce(log *slog.Logger, err error) {
	if s.told != err.Error() {
		s.told = err.Error()
		log.Warn("what the configuration was waiting for cannot be put in force", "err", err)
	}
}

// begin returns the context of an attempt, and what ends it.
func (s *search) begin(ctx context.Context, file stamp) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel, s.file = cancel, file; s.others > 0 {
		cancel()
	}
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancel = nil
	}
}

// cancelIfChanged cancels an attempt under way if the configuration file has
// changed since. look returns the stamp of the file.
func (s *search) cancelIfChanged(look func() stamp) {
	s.mu.Lock()
	idle := s.cancel == nil
	s.mu.Unlock()
	if idle {
		return
	}
	now := look()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil && now != s.file {
		s.cancel()
	}
}

// preempt cancels an attempt under way, and those that begin before done is
// called: somebody waits for loader.reading.
func (s *search) preempt() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others++
	if s.cancel != nil {
		s.cancel()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.others--
	}
}

// seek looks again for names and files that the configuration in force waits for,
// when it is time, and puts the result in force. That is a reload of the text in
// force, even if the file has changed.
func (l *loader) seek() {
	if l.lock(l.ctx) != nil {
		return
	}
	defer l.unlock()
	before := l.current
	if l.o.Again == nil || len(before.Waiting) == 0 || time.Now().Before(l.search.due) {
		return
	}
	file, settled := l.file.settled()
	if !settled {
		return // it is read first
	}
	ctx, done := l.search.begin(l.ctx, file)
	defer done()
	conf, err := l.o.Again(ctx, l.text, before)
	if ctx.Err() != nil {
		l.search.due = time.Now().Add(max(l.search.pause, 3*filePeriod)) // two looks at the file come first
		return
	}
	l.search.backOff(time.Now())
	switch {
	case err != nil:
		l.search.logOnce(l.log, err)
		_ = l.do(l.ctx, func() { l.conf.Waiting = append(texts(before.Waiting), err.Error()) })
	case conf.SameWait(before):
		_ = l.do(l.ctx, func() { l.conf.Waiting = texts(conf.Waiting) }) // for other reasons, perhaps
	default:
		_ = l.putInForce(l.ctx, conf, l.text, true)
	}
}
