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

// A search is for what the configuration in force waits for. What has no
// comment is owned by whoever holds Director.reading.
type search struct {
	pause time.Duration
	due   time.Time
	told  string // what was complained about last

	mu     sync.Mutex
	cancel context.CancelFunc // of an attempt under way
	file   stamp              // of the configuration file that it is for
	yields int                // those who wait for Director.reading
}

// anew is for a configuration that has just been read.
func (s *search) anew(now time.Time) {
	s.told = ""
	s.pause = firstPause
	s.due = now.Add(s.pause)
}

// later puts the next attempt off after one in vain.
func (s *search) later(now time.Time) {
	s.pause = min(2*s.pause, longestPause)
	s.due = now.Add(s.pause)
}

// complain says once why what was found cannot be used.
func (s *search) complain(log *slog.Logger, err error) {
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
	if s.cancel, s.file = cancel, file; s.yields > 0 {
		cancel()
	}
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancel = nil
	}
}

// outdate ends an attempt under way if the configuration file, which look looks
// at, is not any more the one that it is for.
func (s *search) outdate(look func() stamp) {
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

// yield ends an attempt under way, and those that begin before the function it
// returns is called, for somebody who cannot wait for them.
func (s *search) yield() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.yields++
	if s.cancel != nil {
		s.cancel()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.yields--
	}
}

// seek looks for what the configuration in force waits for, when it is time,
// and puts in force what it finds. That is a reload of the text in force,
// whatever has become of the file.
func (d *Director) seek() {
	if d.lock(d.ctx) != nil {
		return
	}
	defer d.unlock()
	before := d.current
	if d.o.Again == nil || len(before.Waiting) == 0 || time.Now().Before(d.search.due) {
		return
	}
	file, settled := d.file.settled()
	if !settled {
		return // it is read first
	}
	ctx, done := d.search.begin(d.ctx, file)
	defer done()
	conf, err := d.o.Again(ctx, d.text, before)
	if ctx.Err() != nil {
		d.search.due = time.Now().Add(max(d.search.pause, 3*filePeriod)) // two looks at the file come first
		return
	}
	d.search.later(time.Now())
	switch {
	case err != nil:
		d.search.complain(d.log, err)
		_ = d.do(d.ctx, func() { d.conf.Waiting = append(texts(before.Waiting), err.Error()) })
	case conf.SameWait(before):
		_ = d.do(d.ctx, func() { d.conf.Waiting = texts(conf.Waiting) }) // for other reasons, perhaps
	default:
		_ = d.adopt(d.ctx, conf, d.text, true)
	}
}
