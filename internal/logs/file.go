package logs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/shunt-lb/shunt/internal/files"
)

// A file is a log file. It notices when it was moved or removed, as programs
// do that open their log for each line, so that rotating it needs no signal.
type file struct {
	path   string
	f      *os.File
	sink   *Sink
	looked time.Time // at what the path means
	torn   bool      // the last line was written in part
	stuck  bool      // in a file that was moved
}

func openFile(path string, s *Sink) (*file, error) {
	l := &file{path: path, sink: s}
	return l, l.reopen()
}

func (l *file) reopen() error {
	f, err := files.OpenAppend(l.path, 0o640)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	if l.f != nil {
		l.sink.retire(l)
	}
	l.f, l.looked, l.torn, l.stuck = f, time.Now(), false, false
	return nil
}

func (l *file) write(_ slog.Level, line []byte) error {
	if l.follow() {
		line = append(l.sink.first(), line...)
	}
	if l.torn {
		line = append([]byte("\n"), line...)
	}
	_ = l.f.SetWriteDeadline(time.Now().Add(l.sink.set.write)) // only pipes and the like have one
	n, err := l.f.Write(line)
	l.torn = err != nil && (n > 0 || l.torn)
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err // the path is said already
	}
	return err
}

// follow opens the path anew if it means another file by now, and reports whether
// it has. If that fails the lines go on into the old one, which is better than
// nowhere.
func (l *file) follow() bool {
	if time.Since(l.looked) < l.sink.set.moved {
		return false
	}
	l.looked = time.Now()
	there, err := files.Stat(l.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false
	}
	here, hereErr := l.f.Stat()
	if err == nil && hereErr == nil && os.SameFile(here, there) {
		return false
	}
	if err = l.reopen(); err != nil && !l.stuck {
		l.stuck = true
		l.sink.complain("%v: writing on into the file that had that name before", err)
	}
	return err == nil
}

func (l *file) close() error   { return l.f.Close() }
func (l *file) String() string { return "file " + l.path }
