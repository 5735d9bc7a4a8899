package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Log writes lines for workers, which must not wait for the log's target. Lines
// that it has no room for are dropped.
type Log struct {
	log     *slog.Logger
	entries chan logEntry
	done    sync.WaitGroup
	once    sync.Once
}

// A logEntry is one line of the log.
type logEntry struct {
	level   slog.Level
	message string
	about   []any
}

func newLog(log *slog.Logger) *Log {
	l := &Log{log: log, entries: make(chan logEntry, 64)}
	l.done.Go(func() {
		for e := range l.entries {
			l.log.Log(context.Background(), e.level, e.message, e.about...) //nolint:sloglint // Say's callers have constants
		}
	})
	return l
}

// Say logs a line, and reports whether there was room for it. It does not block.
func (l *Log) Say(level slog.Level, message string, about ...any) bool {
	select {
	case l.entries <- logEntry{level, message, about}:
		return true
	default:
		return false
	}
}

// close returns when all lines have been written. Say must not be called any more.
func (l *Log) close() {
	l.once.Do(func() { close(l.entries) })
	l.done.Wait()
}

// EachMinute limits a message to one a minute, for events that can happen to every
// client.
func EachMinute() rate.Sometimes { return rate.Sometimes{Interval: time.Minute} }
