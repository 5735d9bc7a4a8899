package statefile

import (
	"context"
	"log/slog"
	"time"
)

const (
	retryPause = 10 * time.Second // after a write that has failed
	renewPause = 10 * time.Minute // between two writes of the same state
)

// Options configure a Writer. All are needed.
type Options struct {
	Path string
	Log  *slog.Logger
	// Done is called after each attempt to write what Save was given, from one
	// goroutine.
	Done func(version uint64, err error)
}

// A Writer writes the latest state to the file, in a goroutine of its own. No call
// waits for the file system.
type Writer struct {
	o    Options
	next chan saved // the latest that is not taken yet
	end  chan struct{}
	over chan struct{}
}

type saved struct {
	version uint64
	state   State
}

// NewWriter returns one that works until Close.
func NewWriter(o Options) *Writer {
	w := &Writer{o: o, next: make(chan saved, 1), end: make(chan struct{}), over: make(chan struct{})}
	go w.run()
	return w
}

// Save has a state be written; an earlier one that waits is not. It is called from one
// goroutine at a time, and not after Close.
func (w *Writer) Save(version uint64, s State) {
	select {
	case <-w.next:
	default:
	}
	w.next <- saved{version, s}
}

// Close has the writer write what waits, and end. Wait waits for that.
func (w *Writer) Close() { close(w.end) }

// Wait waits until ctx is done for the end of the writer.
func (w *Writer) Wait(ctx context.Context) {
	select {
	case <-w.over:
	case <-ctx.Done():
	}
}

func (w *Writer) run() {
	defer close(w.over)
	var now saved
	var failed string
	again := time.NewTimer(renewPause)
	defer again.Stop()
	for {
		ends := false
		select {
		case now = <-w.next:
		case <-again.C:
			if failed == "" && now.state.Empty() {
				again.Reset(renewPause)
				continue
			}
		case <-w.end:
			ends = true
			select {
			case now = <-w.next:
			default:
				return
			}
		}
		failed = w.write(now, failed)
		if ends {
			return
		}
		pause := renewPause
		if failed != "" {
			pause = retryPause
		}
		again.Reset(pause)
	}
}

// write tries once, and returns why it failed, "" if it did not. Each reason is logged
// once in a row.
func (w *Writer) write(s saved, before string) (failed string) {
	s.state.Written = time.Now().UTC().Truncate(time.Second)
	err := write(w.o.Path, s.state)
	switch {
	case err == nil && before != "":
		w.o.Log.Info("orders are saved again", "file", w.o.Path)
	case err != nil && err.Error() != before:
		w.o.Log.Error("orders are in force but cannot be saved: a restart forgets them; tried again every 10 seconds", "file", w.o.Path, "err", err)
	}
	w.o.Done(s.version, err)
	if err != nil {
		return err.Error()
	}
	return ""
}
