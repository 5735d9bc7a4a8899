package logs

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what a log looks like and where it goes.
type Options struct {
	Format string     // "text" or "json"; empty for text
	Level  slog.Level // the lowest one that is written
	// Target is empty for standard error, a path that starts with "/" for a
	// file, or a syslog facility.
	Target string
	// Begin is what the first record of each target that is opened, `log begins`,
	// says of the program, in the form of the arguments of slog.Logger.Info. Standard
	// error is open already, and has none.
	Begin []any
}

// settings are what tests change.
type settings struct {
	stderr  *os.File
	sockets []string      // of the syslog daemon
	patient time.Duration // how long who logs waits for the target
	moved   time.Duration // between two looks whether a file was moved
	redial  time.Duration // between two attempts to reach syslog
	write   time.Duration // for a write to something that may hang
	rest    time.Duration // for something that has hung
}

func normal() settings {
	return settings{
		stderr:  os.Stderr,
		sockets: []string{"/dev/log", "/var/run/syslog", "/var/run/log"},
		patient: 100 * time.Millisecond,
		moved:   time.Second,
		redial:  10 * time.Second,
		write:   500 * time.Millisecond,
		rest:    2 * time.Second,
	}
}

const (
	queueMax  = 1024                   // jobs that may wait
	orderWait = 3 * time.Second        // for a change of the target
	closeWait = time.Second            // for the last lines
	dropWait  = 600 * time.Millisecond // for a write that is under way then
)

// ErrClosed is what a closed Sink answers.
var ErrClosed = errors.New("the log is closed")

var errHanging = errors.New("the log hangs on a write")

// A Sink is where a log goes. Its methods may be called from many goroutines
// at once.
type Sink struct {
	set     settings
	logger  *slog.Logger
	first   func() []byte // the first line of a target
	level   slog.LevelVar
	stderr  *console
	dropped atomic.Uint64
	// behind: somebody has waited in vain, and nobody else shall until the
	// queue is empty again.
	behind atomic.Bool
	// abandon: what is queued is not written any more.
	abandon atomic.Bool

	mu     sync.RWMutex // held for reading while sending to jobs
	closed bool
	jobs   chan *job
	done   chan struct{}

	// The goroutine alone uses the fields below.
	out      output
	reported bool   // the trouble with out
	lost     uint64 // of dropped, those reported
	hung     error  // why nothing is tried until then
	then     time.Time
}

// A job is a line to write or a change to make; done is closed after it.
type job struct {
	line  []byte
	level slog.Level
	do    func() error
	err   error // of do
	done  chan struct{}
}

// An output takes lines, one write for each.
type output interface {
	write(level slog.Level, line []byte) error
	// reopen begins anew with what the target's name means now.
	reopen() error
	close() error
	String() string
}

// Open starts a log. The caller closes the Sink.
func Open(o Options) (*Sink, error) { return open(o, normal()) }

func open(o Options, set settings) (*Sink, error) {
	s := &Sink{set: set, jobs: make(chan *job, queueMax), done: make(chan struct{})}
	s.stderr = &console{f: set.stderr, patient: set.write, journal: isJournal(set.stderr, os.Getenv("JOURNAL_STREAM"))}
	s.level.Set(o.Level)
	h, err := newHandler(o.Format, s)
	if err != nil {
		return nil, err
	}
	s.logger = slog.New(h)
	s.first = func() []byte { return h.first(o.Begin) }
	if s.out, err = s.target(o.Target); err != nil {
		return nil, err
	}
	s.begin()
	go s.run() // until Close
	return s, nil
}

// begin writes the first line of a target that was opened.
func (s *Sink) begin() {
	if line := s.first(); len(line) > 0 && s.out != output(s.stderr) {
		s.write(slog.LevelInfo, line)
	}
}

// Logger returns the logger that writes to s. It stays good when the target
// changes; after Close it writes to standard error.
func (s *Sink) Logger() *slog.Logger { return s.logger }

// SetLevel changes the lowest level that is written.
func (s *Sink) SetLevel(l slog.Level) { s.level.Set(l) }

// Dropped returns how many lines could not be written anywhere.
func (s *Sink) Dropped() uint64 { return s.dropped.Load() }

// Use sends the log to another target, from the next line on. After an error
// the old one stays.
func (s *Sink) Use(target string) error {
	out, err := s.target(target)
	if err != nil {
		return err
	}
	err = s.order(func() error {
		s.retire(s.out)
		s.out, s.reported, s.hung = out, false, nil
		s.begin()
		return nil
	})
	if errors.Is(err, ErrClosed) || errors.Is(err, errHanging) {
		_ = out.close() // nothing was written to it
	}
	return err
}

// retire closes what is no longer written to.
func (s *Sink) retire(old output) {
	if err := old.close(); err != nil {
		s.complain("log %v: %v: its last lines may be missing", old, err)
	}
}

// Reopen opens a log file anew, after it was moved away for example, or
// connects to syslog again. After an error the old file stays open.
func (s *Sink) Reopen() error {
	return s.order(func() error {
		s.reported, s.hung = false, nil
		if err := s.out.reopen(); err != nil {
			return err
		}
		s.begin()
		return nil
	})
}

// order queues f for the goroutine and returns its error. When the target hangs
// for long, f may run later, and its error is lost.
func (s *Sink) order(f func() error) error {
	j := &job{do: f, done: make(chan struct{})}
	if err := s.submit(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	case <-time.After(orderWait):
		return nil
	}
}

// submit queues an order, waiting for room.
func (s *Sink) submit(j *job) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.jobs <- j:
		return nil
	case <-time.After(orderWait):
		return errHanging
	}
}

// Close writes what is queued, closes the target and ends the goroutine. A
// target that hangs is given a second or two; what is not written by then is
// dropped. Closing again does nothing.
func (s *Sink) Close() error {
	if !s.shut() {
		return nil
	}
	select {
	case <-s.done:
		return s.out.close()
	case <-time.After(closeWait):
		s.abandon.Store(true)
	}
	select {
	case <-s.done:
		return errors.Join(errHanging, s.out.close())
	case <-time.After(dropWait):
		return errHanging // not even a deadline helps: a dead network file system
	}
}

// shut takes no more jobs, and returns false if that was so already.
func (s *Sink) shut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	close(s.jobs)
	return true
}
