package conffile

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The pause before what a configuration waits for is looked for again doubles with
// each attempt, from the first to the longest.
const (
	FirstPause   = time.Second
	LongestPause = time.Minute
)

// A Search looks again for names and files that the configuration in force waits
// for. Its methods are called by one goroutine at a time, but for
// CancelIfChanged and Preempt.
type Search struct {
	Pause time.Duration
	Due   time.Time // of the next attempt
	told  string    // the latest logged error

	mu     sync.Mutex
	cancel context.CancelFunc // of an attempt under way
	file   Stamp              // of the configuration file that it is for
	others int                // callers that wait until no attempt is under way
}

// Reset starts over for a configuration that has just been read.
func (s *Search) Reset(now time.Time) {
	s.told = ""
	s.Pause = FirstPause
	s.Due = now.Add(s.Pause)
}

// BackOff doubles the pause after an attempt in vain.
func (s *Search) BackOff(now time.Time) {
	s.Pause = min(2*s.Pause, LongestPause)
	s.Due = now.Add(s.Pause)
}

// LogOnce logs, once, why the result of an attempt cannot be put in force.
func (s *Search) LogOnce(log *slog.Logger, err error) {
	if s.told != err.Error() {
		s.told = err.Error()
		log.Warn("what the configuration was waiting for cannot be put in force", "err", err)
	}
}

// Begin returns the context of an attempt, and what ends it.
func (s *Search) Begin(ctx context.Context, file Stamp) (context.Context, func()) {
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

// CancelIfChanged cancels an attempt under way if the configuration file has
// changed since. look returns the stamp of the file.
func (s *Search) CancelIfChanged(look func() Stamp) {
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

// Preempt cancels an attempt under way, and those that begin before done is
// called: somebody waits for their end.
func (s *Search) Preempt() (done func()) {
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
