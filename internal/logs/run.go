package logs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// run owns the target until the queue is closed and empty.
func (s *Sink) run() {
	defer close(s.done)
	for j := range s.jobs {
		if j.do != nil {
			j.err = j.do()
		} else {
			s.write(j.level, j.line)
		}
		close(j.done)
		if len(s.jobs) == 0 {
			s.behind.Store(false)
		}
	}
}

// write writes a line and keeps account of those that are lost.
func (s *Sink) write(level slog.Level, line []byte) {
	if err := s.attempt(level, line); err != nil {
		s.lose(err)
		return
	}
	s.reported = false
	if n := s.dropped.Load(); n > s.lost {
		missing := n - s.lost
		s.lost = n
		s.complain("log %v: works again, %d lines were lost", s.out, missing)
	}
}

// attempt writes a line to a target that does not hang.
func (s *Sink) attempt(level slog.Level, line []byte) error {
	switch {
	case s.abandon.Load():
		return errHanging
	case s.hung != nil && time.Now().Before(s.then):
		return s.hung
	}
	s.hung = nil
	err := s.out.write(level, line)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.hung, s.then = err, time.Now().Add(s.set.rest)
	}
	return err
}

// lose counts a line that could not be written and says why, once.
func (s *Sink) lose(err error) {
	s.dropped.Add(1)
	if !s.reported && s.out != output(s.stderr) {
		s.reported = true
		s.complain("log %v: %v: lines are being lost", s.out, err)
	}
}

// complain says on standard error what cannot be said in the log.
func (s *Sink) complain(format string, args ...any) {
	text := "shunt: " + fmt.Sprintf(format, args...) + "\n"
	if !s.stderr.journal {
		text = time.Now().Format(time.RFC3339) + " " + text
	}
	_ = s.stderr.write(slog.LevelError, []byte(text)) // there is nobody else to tell
}

// put queues a line and waits a little for it to be written.
func (s *Sink) put(level slog.Level, line []byte) {
	j := &job{level: level, line: line, done: make(chan struct{})}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		_ = s.stderr.write(level, line) // there is nobody else to tell
		return
	}
	if s.behind.Load() {
		s.hurry(j)
		return
	}
	t := time.NewTimer(s.set.patient)
	defer t.Stop()
	select {
	case s.jobs <- j:
	case <-t.C:
		s.behind.Store(true)
		s.dropped.Add(1)
		return
	}
	select {
	case <-j.done:
	case <-t.C:
		s.behind.Store(true)
	}
}

// hurry queues a line if there is room and waits for nothing.
func (s *Sink) hurry(j *job) {
	select {
	case s.jobs <- j:
	default:
		s.dropped.Add(1)
	}
}
